use super::rootfs::Walk;
use super::*;
use bake::recipe::Body;
use std::fs;

#[test]
fn what_is_swapped_after_it_was_read_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("manifests/x.json", "");
    write("image-recipes/mine/recipe.toml", "[recipe]\n");
    write("image-recipes/mine/rootfs/etc/motd", "as reviewed");
    let project = Project::find(Some(folder.path())).unwrap();
    let recipe = project.recipe(&"mine".parse().unwrap()).unwrap();
    write("image-recipes/mine/rootfs/etc/motd", "swapped while the bake runs");
    write("image-recipes/mine/recipe.toml", "[recipe]\n[packages]\ninstall = [\"netcat\"]\n");
    // what a plan takes its digests from, and what the tree gets, are these very bytes
    let file = &recipe.files[&("/etc/motd".parse().unwrap(), None)];
    assert_eq!(file.body, Body::Bytes(b"as reviewed".as_slice().into()));
    assert!(recipe.packages.is_empty());
}

#[test]
fn paths_in_messages_can_be_opened_from_the_current_directory() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("image-recipes/mine/recipe.toml");
    fs::create_dir_all(folder.path().join("image-recipes/mine/rootfs")).unwrap();
    fs::create_dir_all(folder.path().join("manifests")).unwrap();
    let project = Project::find(Some(folder.path())).unwrap();
    let kind: Kind = "mine".parse().unwrap();
    // a fault of the text, one of the whole, one of a file
    for text in ["[recipe]\n[package]\n", "[recipe]\n[packages]\nwithout = [\"x\"]\n"] {
        fs::write(&recipe, text).unwrap();
        assert_eq!(Path::new(&project.recipe(&kind).unwrap_err().artifact), recipe);
    }
    fs::write(&recipe, "[recipe]\n").unwrap();
    fs::write(folder.path().join("image-recipes/mine/rootfs/x~"), "").unwrap();
    let refusal = project.recipe(&kind).unwrap_err();
    assert!(Path::new(&refusal.artifact).is_file(), "{refusal}");
    assert_eq!(refusal.hint.as_deref(), Some(&*format!("rm {}", refusal.artifact)));
    let kind: Kind = "mien".parse().unwrap();
    assert!(project.recipe(&kind).unwrap_err().hint.unwrap().starts_with("did you mean `mine`? "));
}

#[test]
fn only_whole_paths_of_the_project_are_led_by_its_folder() {
    let text = "add it to `manifests/policy.toml` (image-recipes/x), not to my-manifests/a";
    let led = "add it to `../p/manifests/policy.toml` (../p/image-recipes/x), not to my-manifests/a";
    assert_eq!(opened_from("../p", text), led);
}

#[test]
fn nothing_is_written_where_a_link_of_the_project_leads() {
    use std::os::unix::fs::symlink;
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("project");
    for folder in ["image-recipes", "manifests", "kept/below", ".git"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::create_dir_all(place.path().join("victim/below")).unwrap();
    for (name, target) in [
        ("out", "../victim"),
        ("absolute", "/tmp"),
        ("hidden", ".git"),
        ("dangling", "../nothing"),
        ("inside", "kept"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    let project = Project::find(Some(&root)).unwrap();
    for name in ["out", "out/below", "out/new", "absolute", "hidden", "hidden/new"] {
        let refusal = project.check_output(&root.join(name)).unwrap_err();
        assert_eq!(refusal.class, Class::Io, "{name}: {refusal}");
    }
    for name in ["dist", "new/dist", "kept", "kept/below", "kept/new", "inside", "../victim"] {
        project.check_output(&root.join(name)).unwrap();
    }
    fs::write(root.join("file"), "").unwrap();
    assert!(project.check_output(&root.join("file/new")).is_err());
    // what a link leads to is made by nobody
    assert!(project.check_output(&root.join("dangling")).is_err());
}

#[test]
fn what_is_no_file_and_no_link_has_no_place_in_a_rootfs() {
    let folder = tempfile::tempdir().unwrap();
    let rootfs = folder.path().join("image-recipes/mine/rootfs");
    fs::create_dir_all(&rootfs).unwrap();
    fs::create_dir_all(folder.path().join("manifests")).unwrap();
    fs::write(folder.path().join("image-recipes/mine/recipe.toml"), "[recipe]\n").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(rootfs.join("socket")).unwrap();
    let refusal = Project::find(Some(folder.path())).unwrap().recipe(&"mine".parse().unwrap()).unwrap_err();
    assert!(refusal.to_string().contains("expected a file or symbolic link"), "{refusal}");
}

/// A project with a recipe `mine`, and a folder of secrets next to it.
fn beside_secrets() -> (tempfile::TempDir, Project) {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("project");
    for folder in ["image-recipes/mine", "manifests"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::create_dir(place.path().join("ssh")).unwrap();
    fs::write(place.path().join("ssh/id"), "secret = 1\n").unwrap();
    fs::write(root.join("image-recipes/mine/recipe.toml"), "[recipe]\n").unwrap();
    let project = Project::find(Some(&root)).unwrap();
    (place, project)
}

#[test]
fn links_out_of_the_project_are_not_followed_and_nothing_of_their_targets_is_said() {
    use std::os::unix::fs::symlink;
    let kind: Kind = "mine".parse().unwrap();
    for (link, target) in [
        ("image-recipes/mine/rootfs", "ssh"),
        ("image-recipes/mine/rootfs.aws", "ssh"),
        ("image-recipes/mine/recipe.toml", "ssh/id"),
    ] {
        let (place, project) = beside_secrets();
        let at = project.root.join(link);
        let _ = fs::remove_file(&at);
        symlink(place.path().join(target), &at).unwrap();
        let said = project.recipe(&kind).unwrap_err().to_string();
        assert!(said.contains("leads out of the project") && !said.contains("secret"), "{link}: {said}");
    }
    let (place, project) = beside_secrets();
    let paths = [
        project.lock_path(&kind, Arch::Amd64),
        project.manifest_path(&kind, Arch::Amd64),
        project.root.join("manifests/policy.toml"),
        project.root.join("manifests/effects.toml"),
        project.root.join("manifests/sources.toml"),
    ];
    for path in &paths {
        symlink(place.path().join("ssh/id"), path).unwrap();
    }
    for said in [
        project.lock(&paths[0]).unwrap_err(),
        project.manifest(&paths[1]).unwrap_err(),
        project.policy().unwrap_err(),
        project.effects().unwrap_err(),
        project.sources().unwrap_err(),
    ] {
        let said = said.to_string();
        assert!(said.contains("leads out of the project") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn a_folder_of_the_project_that_is_a_link_out_of_it_is_not_followed() {
    use std::os::unix::fs::symlink;
    let (place, project) = beside_secrets();
    let manifests = project.root.join("manifests");
    // certificates, in a folder that is named as the one that the project has
    fs::copy(crate::programs::checkout().join("manifests/sources.toml"), manifests.join("sources.toml"))
        .unwrap();
    symlink(place.path().join("ssh"), manifests.join("trust")).unwrap();
    let said = project.sources().unwrap_err().to_string();
    assert!(said.contains("leads out of the project"), "{said}");
    fs::remove_dir_all(&manifests).unwrap();
    symlink(place.path().join("ssh"), &manifests).unwrap();
    for said in [
        project.sources().unwrap_err(),
        project.policy().unwrap_err(),
        project.lock(&manifests.join("id")).unwrap_err(),
    ] {
        let said = said.to_string();
        assert!(said.contains("leads out of the project"), "{said}");
    }
    fs::remove_dir_all(project.root.join("image-recipes")).unwrap();
    symlink(place.path(), project.root.join("image-recipes")).unwrap();
    assert!(format!("{:#}", project.kinds().unwrap_err()).contains("leads out of the project"));
}

#[test]
fn a_file_of_the_project_is_one_however_it_is_named_and_one_elsewhere_may_be_a_link() {
    use std::os::unix::fs::symlink;
    let (place, project) = beside_secrets();
    let link = project.root.join("manifests/mine.toml");
    symlink(place.path().join("ssh/id"), &link).unwrap();
    let dotted = project.root.join("./manifests/mine.toml");
    for path in [&link, &dotted] {
        let said = project.read(path, 100).unwrap_err().to_string();
        assert!(said.contains("leads out of the project"), "{said}");
    }
    symlink(place.path().join("ssh/id"), place.path().join("elsewhere")).unwrap();
    assert_eq!(project.read(&place.path().join("elsewhere"), 100).unwrap(), b"secret = 1\n");
}

#[test]
fn what_is_too_large_for_a_rootfs_is_refused_before_it_is_read() {
    let (_place, project) = beside_secrets();
    let rootfs = project.root.join("image-recipes/mine/rootfs");
    fs::create_dir(&rootfs).unwrap();
    fs::File::create(rootfs.join("large")).unwrap().set_len(beneath::MAX_FILE + 1).unwrap();
    let said = project.recipe(&"mine".parse().unwrap()).unwrap_err().to_string();
    assert!(said.contains(&format!("at most {} bytes", beneath::MAX_FILE)), "{said}");
    fs::write(rootfs.join("large"), "12345").unwrap();
    fs::write(rootfs.join("next"), "67890").unwrap();
    let mut walk =
        Walk { project: &project, top: "rootfs", provider: None, files: &mut Vec::new(), left: &mut 7 };
    let said = walk.directory(&rootfs, "").unwrap_err().to_string();
    assert!(said.contains("next") && said.contains("at most 2 bytes"), "{said}");
}

#[test]
fn a_link_in_a_rootfs_is_a_link_of_the_image_and_is_not_followed() {
    let (place, project) = beside_secrets();
    let rootfs = project.root.join("image-recipes/mine/rootfs");
    fs::create_dir(&rootfs).unwrap();
    std::os::unix::fs::symlink(place.path().join("ssh"), rootfs.join("link")).unwrap();
    let recipe = project.recipe(&"mine".parse().unwrap()).unwrap();
    let file = &recipe.files[&("/link".parse().unwrap(), None)];
    assert_eq!(recipe.files.len(), 1);
    assert_eq!(file.body, Body::Link(place.path().join("ssh").to_str().unwrap().to_owned()));
}

#[test]
fn a_fifo_a_device_and_a_deceiving_name_are_refused_at_once() {
    let (_place, project) = beside_secrets();
    let path = project.manifest_path(&"mine".parse().unwrap(), Arch::Amd64);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for path in [path.as_path(), Path::new("/dev/zero")] {
        let said = project.manifest(path).unwrap_err().to_string();
        assert!(said.contains("it is not a regular file"), "{said}");
    }
    let rootfs = project.root.join("image-recipes/mine/rootfs");
    fs::create_dir(&rootfs).unwrap();
    for c in ['\u{202e}', '\u{200b}', '\u{feff}', '\u{2028}'] {
        let (name, link) = (rootfs.join(format!("a{c}b")), rootfs.join("link"));
        fs::write(&name, "").unwrap();
        let said = project.recipe(&"mine".parse().unwrap()).unwrap_err().to_string();
        assert!(said.contains("not seen") && !said.contains(c), "{said}");
        fs::remove_file(&name).unwrap();
        std::os::unix::fs::symlink(format!("a{c}b"), &link).unwrap();
        let said = project.recipe(&"mine".parse().unwrap()).unwrap_err().to_string();
        assert!(said.contains("invisible"), "{said}");
        fs::remove_file(&link).unwrap();
    }
}
