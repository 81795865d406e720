//! Container images in place: a real containerd finds them in its store as if it had pulled them, and runs them.

use anyhow::{Context as _, Result, bail, ensure};
use bake::recipe::Body;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tests::containerd::Containerd;
use tests::cri;
use tests::oci::{self, Layout, Packed, Thing, archive, saved, tar_of};
use tests::outputs::whole;
use tests::run::Run;
use tests::schema::Schema;
use tests::server::{Reply, Server};
use tests::shared::{SMALL, Shared};
use tests::unit_file;
use tree::release::CODENAME;

/// Suites of Debian's archive whose containerd is asked.
const SUITES: [&str; 2] = [CODENAME, "sid"];

/// The image that pods are made of, and what containerd is told that it is called: what nodes have once they know the cluster's registry.
const SANDBOX: [&str; 2] = ["example.org/probe:1", "registry.test/mirror/example.org/probe:1"];

/// A project whose kind has images from everywhere that they may come from.
struct Project<'s> {
    shared: &'s Shared,
    folder: PathBuf,
    store: PathBuf,
    lock: PathBuf,
    /// Their names.
    images: Vec<String>,
    _registry: Server,
}

/// The lowest layer: a whole system.
fn system(busybox: &[u8]) -> Result<Vec<u8>> {
    tar_of(&[
        Thing::Directory("bin", 0o755),
        Thing::File("bin/busybox", 0o755, busybox),
        Thing::Hardlink("bin/cat", "bin/busybox"),
        Thing::Symlink("bin/sh", "busybox"),
        Thing::Symlink("bin/ls", "busybox"),
        Thing::Symlink("bin/stat", "busybox"),
        Thing::Directory("etc", 0o755),
        Thing::Directory("etc/kept", 0o700),
        Thing::File("etc/kept/gone", 0o644, b"gone\n"),
        Thing::File("etc/kept/stays", 0o4751, b"stays\n"),
        Thing::Directory("etc/emptied", 0o750),
        Thing::File("etc/emptied/old", 0o644, b"old\n"),
        Thing::Directory("proc", 0o555),
        Thing::Directory("sys", 0o555),
        Thing::Directory("dev", 0o755),
        Thing::Directory("tmp", 0o1777),
    ])
}

/// The layer above: one file hidden, one directory emptied.
fn changes() -> Result<Vec<u8>> {
    tar_of(&[
        Thing::File("etc/kept/.wh.gone", 0o644, b""),
        Thing::Directory("etc/emptied", 0o750),
        Thing::File("etc/emptied/.wh..wh..opq", 0o644, b""),
        Thing::File("etc/emptied/new", 0o644, b"new\n"),
    ])
}

impl<'s> Project<'s> {
    fn new(shared: &'s Shared, scratch: &Path, busybox: &[u8]) -> Result<Self> {
        let folder = scratch.join("project");
        let recipe = folder.join("image-recipes/small");
        fs::create_dir_all(&recipe)?;
        let files = recipe.parent().and_then(Path::parent).context("a project")?.join("images");
        fs::create_dir_all(&files)?;
        let (low, high) = (system(busybox)?, changes()?);
        let other = tar_of(&[Thing::File("only-here", 0o644, b"x")])?;

        // an archive with an image for either machine
        let mut probe = Layout::default();
        let layers = [(Packed::Gzip, low.clone()), (Packed::Plain, high.clone())];
        let amd64 = probe.image(
            "amd64",
            &json!({"Env": ["PATH=/bin"], "Cmd": ["busybox", "sleep", "600"]}),
            &layers,
        )?;
        let arm64 = probe.image("arm64", &json!({}), &[(Packed::Plain, other.clone())])?;
        let index = probe.index(&[("arm64", &arm64), ("amd64", &amd64)])?;
        fs::write(files.join("probe.tar"), probe.tar(&index)?)?;
        // what `docker save` writes
        let (tar, id) = saved("example.org/saved:2", "amd64", &[low.clone(), other.clone()])?;
        fs::write(files.join("saved.tar"), tar)?;
        // a directory
        let mut laid = Layout::default();
        let manifest = laid.image("amd64", &json!({}), &[(Packed::GzipMembers, low.clone())])?;
        laid.write(&files.join("laid"))?;
        // a registry that asks for a token
        let mut pulled = Layout::default();
        let parts = [(Packed::Zstd, low), (Packed::GzipMembers, high)];
        let far = pulled.image("amd64", &json!({"Env": ["PATH=/bin", "X=1"]}), &parts)?;
        let registry = Server::start()?;
        let (port, scope) = (registry.port(), "repository%3Ateam%2Fpulled%3Apull");
        let challenge = format!(
            "Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"test\",scope=\"repository:team/pulled:pull\""
        );
        let far = far["digest"].as_str().context("a digest")?.to_owned();
        for (hex, bytes) in pulled.blobs {
            let is_manifest = far.ends_with(&hex);
            let part = if is_manifest { "manifests" } else { "blobs" };
            let asks = Reply::raw("401 Unauthorized", &[("WWW-Authenticate", &challenge)], b"");
            let mut replies = vec![Reply::File(bytes)];
            if is_manifest {
                replies.insert(0, asks);
            }
            registry.at(&format!("/v2/team/pulled/{part}/sha256:{hex}"), replies);
        }
        let token = json!({"token": "of-nobody"}).to_string().into_bytes();
        registry.at(&format!("/token?service=test&scope={scope}"), vec![Reply::File(token)]);

        let of = |one: &Value| one["digest"].as_str().map(str::to_owned).context("a digest");
        let images = [
            ("example.org/laid:4".to_owned(), of(&manifest)?, "from = \"images/laid\""),
            (SANDBOX[0].to_owned(), of(&index)?, "from = \"images/probe.tar\""),
            ("example.org/saved:2".to_owned(), id, "from = \"images/saved.tar\""),
            (format!("127.0.0.1:{port}/team/pulled:3"), far, ""),
        ];
        let mut text = fs::read_to_string(shared.small_recipe())?;
        text.push_str("\n[images]\n");
        for (name, digest, from) in &images {
            let comma = if from.is_empty() { "" } else { ", " };
            text.push_str(&format!("{name:?} = {{ digest = {digest:?}{comma}{from} }}\n"));
        }
        fs::write(recipe.join("recipe.toml"), text)?;
        let store = scratch.join("store");
        shared.cold_store(SMALL, &store)?;
        Ok(Self {
            shared,
            folder,
            store,
            lock: shared.lock(SMALL)?,
            images: images.into_iter().map(|(name, ..)| name).collect(),
            _registry: registry,
        })
    }

    fn run(&self, command: &str) -> Run {
        let run =
            Run::new(&self.shared.program(), &self.folder, [command, "--kind", "small", "--arch", "amd64"]);
        let run = run.env("XDG_STATE_HOME", self.folder.with_extension("state"));
        run.option("--lock", &self.lock).option("--store", &self.store)
    }
}

/// The command by which a node names its sandbox image, as its unit has it.
fn naming() -> Result<String> {
    let recipe = tests::recipes::recipe("knd")?;
    let path = "/etc/systemd/system/sandbox-image.service".parse()?;
    let Some(Body::Bytes(bytes)) = recipe.files.get(&(path, None)).map(|file| &file.body) else {
        bail!("no unit that names the sandbox image");
    };
    let line = unit_file::values(&unit_file::parse(std::str::from_utf8(bytes)?), "ExecStart").join(" ");
    let [own, name] = SANDBOX;
    Ok(line.replace("${SANDBOX_IMAGE}", own).replace("${SANDBOX_IMAGE_NAME}", name))
}

/// Lines of sh, run in the namespaces of a containerd: it makes a pod of an image whose name it finds once the image has it.
fn pods() -> Result<String> {
    let (naming, name) = (naming()?, SANDBOX[1]);
    Ok(format!(
        r#"
ask() {{ LC_ALL=C sed "s/#\{{64\}}/$1/" "$root/tmp/$2" >"$root/tmp/now"; cri "RuntimeService/$3" "$root/tmp/now" | tail -c 64; }}
pinned() {{ ctr images ls 'name=={name}' | grep -q io.cri-containerd.pinned=pinned; }}
pod() {{ pod=$(cri RuntimeService/RunPodSandbox "$root/tmp/pod" | tail -c 64) && [ ${{#pod}} -eq 64 ]; }}
mkdir "$root/tmp/logs"
echo "== pods"
if pod 2>/dev/null; then echo "a pod of an image that is not there"; fi
for time in first second; do chroot "$root" {naming} >/dev/null; done
await pinned
await pod
one=$(ask $pod container CreateContainer)
ask $one id StartContainer >/dev/null
await test -s "$root/tmp/logs/one.log"
cut -d ' ' -f 2- "$root/tmp/logs/one.log"
ask $pod id StopPodSandbox >/dev/null
ask $pod id RemovePodSandbox >/dev/null
restart
await pod
ask $pod id StopPodSandbox >/dev/null
all
"#
    ))
}

/// Lines of sh, run in the namespaces of a containerd: what it says of the images, what runs from them, what is left after a
/// collection, and after a restart.
fn questions(images: &[String], probe: &str, pulled: &str) -> String {
    let mut lines = String::from(
        "await() { tries=0; until \"$@\"; do tries=$((tries + 1)); [ $tries -lt 100 ] || return 1; sleep 0.1; done; }\n\
         all() {\n",
    );
    for image in images {
        lines.push_str(&format!(
            "    ctr images check \"name=={image}\" | grep -q 'complete (.*true' || return 1\n"
        ));
    }
    lines.push_str("}\n");
    lines.push_str(&format!(
        r#"
all
echo "== names"; ctr images ls -q
echo "== unpinned"; ctr images ls | tail -n +2 | grep -v 'io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned' || true
echo "== snapshots"; ctr snapshots ls | tail -n +2
echo "== usage"; ctr snapshots usage | tail -n +2 | wc -l
echo "== cri"; cri ImageService/ListImages "$root/tmp/all" | tr -c '[:print:]' '\n'
echo "== content"; ctr content ls -q | while read -r digest; do
    found=$(ctr content get "$digest" | sha256sum | cut -d ' ' -f 1)
    [ "sha256:$found" = "$digest" ] && echo "$digest"
done
echo "== run"
ctr run --rm --snapshotter overlayfs {probe} one /bin/sh -c 'cd /etc; ls kept emptied; cat emptied/new; stat -c %a:%n kept/stays kept emptied; stat -c %h /bin/cat'
ctr run --rm --snapshotter overlayfs {pulled} two /bin/sh -c 'ls /etc/kept; echo ran > /tmp/x; cat /tmp/x'
echo "== another"
before=$(ctr content ls -q | sort | sha256sum)
ctr images ls -q >"$root/tmp/names"
ctr images import /tmp/other.tar >/dev/null
ctr images check 'name==example.org/other:1' | grep -q 'complete (.*true'
# CRI names it by its configuration, a moment later
others() {{ ctr images ls -q | grep -vxF -f "$root/tmp/names"; }}
both() {{ [ "$(others | wc -l)" -eq 2 ]; }}
await both
ctr images rm --sync $(others) >/dev/null
[ "$(ctr content ls -q | sort | sha256sum)" = "$before" ]
all
restart
all
[ "$(ctr content ls -q | sort | sha256sum)" = "$before" ]
# what Kubernetes may collect: layers as they were published; what was unpacked of them stays
ctr content prune references >/dev/null
restart
echo "== pruned"
ctr snapshots ls | tail -n +2 | wc -l
ctr run --rm --snapshotter overlayfs {probe} four /bin/sh -c 'cat /etc/kept/stays'
"#
    ));
    lines
}

/// The lines after `== name`.
fn section<'t>(said: &'t str, name: &str) -> Result<Vec<&'t str>> {
    let after = said.split_once(&format!("== {name}\n")).with_context(|| format!("no `{name}`: {said}"))?.1;
    Ok(after.lines().take_while(|line| !line.starts_with("== ")).collect())
}

#[test]
fn a_real_containerd_of_each_suite_takes_the_images_of_an_artifact_for_its_own() -> Result<()> {
    ensure!(tests::run::is_root()?, "containerd runs as root");
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let machines = SUITES.map(|suite| {
        let folder = scratch.path().join(suite);
        fs::create_dir(&folder)?;
        Containerd::of_suite(suite, SANDBOX[1], &folder).with_context(|| suite)
    });
    let [first, second] = machines;
    let machines = [first?, second?];
    let busybox = machines[0].busybox()?;
    let project = Project::new(&shared, scratch.path(), &busybox)?;
    let plan = Schema::load("plan")?.check(&project.run("plan").args(["--json"]).done()?.stdout)?;
    ensure!(plan["missing"].to_string().contains("example.org/probe:1"), "{}", plan["missing"]);
    let output = scratch.path().join("dist");
    project.run("bake").option("--output", &output).done()?;
    let artifact = output.join(format!("{}.tar.zst", SMALL.name()));

    // the same again, without a network
    let again = scratch.path().join("again");
    project.run("bake").option("--output", &again).args(["--offline"]).done()?;
    assert_eq!(whole(&output, &SMALL.name())?, whole(&again, &SMALL.name())?);
    explained(&project, &artifact)?;

    let [laid, probe, saved, pulled] = project.images.as_slice() else { anyhow::bail!("four images") };
    for (machine, suite) in machines.iter().zip(SUITES) {
        machine.take_store(&artifact)?;
        let other = archive("example.org/other:1", "amd64", &busybox)?;
        let pod = cri::sandbox("test", "/tmp/logs");
        let command = ["/bin/sh", "-c", "echo ran $(cat /etc/emptied/new)"];
        for (name, bytes) in [
            ("other.tar", other),
            ("all", cri::Message::default().request()),
            ("pod", cri::Message::default().message(1, &pod).request()),
            ("container", cri::container(&pod, pulled, &command, "one.log").request()),
            ("id", cri::by_id().request()),
        ] {
            fs::write(machine.root().join("tmp").join(name), bytes)?;
        }
        let lines = questions(&project.images, probe, pulled) + &pods()?;
        let said = machine.sh(&lines).with_context(|| suite)?;
        let names = section(&said, "names")?;
        // by tag, by digest and by configuration
        ensure!(names.len() == 12, "{suite}: {names:?}");
        for image in [laid, probe, saved, pulled] {
            let repository = image.rsplit_once(':').context("a tag")?.0;
            ensure!(names.contains(&image.as_str()), "{suite}: {image} in {names:?}");
            let by_digest = format!("{repository}@sha256:");
            ensure!(
                names.iter().any(|name| name.starts_with(&by_digest)),
                "{suite}: {by_digest} in {names:?}"
            );
        }
        assert_eq!(names.iter().filter(|name| name.starts_with("sha256:")).count(), 4, "{suite}");
        assert_eq!(section(&said, "unpinned")?, [""; 0], "{suite}");
        // the system, what is above it in two images, and what is above it in the saved one
        assert_eq!(section(&said, "snapshots")?.len(), 3, "{suite}: {said}");
        assert_eq!(section(&said, "usage")?, ["3"], "{suite}");
        let cri = section(&said, "cri")?.concat();
        for name in &names {
            ensure!(cri.contains(name), "{suite}: CRI does not know {name}: {cri}");
        }
        // four manifests and configurations, an index, and the layers: each as it is published
        let content = section(&said, "content")?;
        assert_eq!(content.len(), 4 + 4 + 1 + 2 + 2 + 1 + 2, "{suite}: {content:?}");
        let run = section(&said, "run")?.join(" ");
        assert_eq!(
            run, "emptied: new  kept: stays new 4751:kept/stays 700:kept 750:emptied 2 stays ran",
            "{suite}"
        );
        assert_eq!(section(&said, "pruned")?, ["3", "stays"], "{suite}");
        assert_eq!(section(&said, "pods")?, ["stdout F ran new"], "{suite}: {said}");
    }
    Ok(())
}

/// Each path of the store has the image that brought it, and the record names all of them.
fn explained(project: &Project<'_>, artifact: &Path) -> Result<()> {
    let own = |command: &str| Run::new(&project.shared.program(), &project.folder, [command]);
    own("verify").args([artifact]).done()?;
    let place = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots";
    let why = |path: &str| -> Result<Value> {
        let path = format!("{place}/{path}");
        let why = own("why").args([artifact.as_os_str(), path.as_ref(), "--json".as_ref()]).done()?;
        Schema::load("why")?.check(&why.stdout)
    };
    let saved = why("3/fs/only-here")?;
    let owner = &saved["owners"][0];
    assert_eq!(owner["origin"], json!({"from": "image", "name": "example.org/saved:2"}), "{saved}");
    assert_eq!(
        (&owner["version"], &owner["source"]),
        (&json!("2"), &json!("file:images/saved.tar")),
        "{saved}"
    );
    assert_eq!(owner["asked"], json!(["example.org/saved:2", "recipe small"]), "{saved}");
    // whose the lowest layers are is the first image by name, and what makes a directory opaque is an attribute
    let pulled = why("2/fs/etc/emptied")?;
    ensure!(pulled["owners"][0]["source"].to_string().ends_with("/team/pulled\""), "{pulled}");
    assert_eq!(pulled["line"]["xattrs"], json!({"trusted.overlay.opaque": "79"}), "{pulled}");
    assert_eq!(why("2/fs/etc/kept/gone")?["line"]["device"], json!([0, 0]));
    let beside = |end: &str| -> Result<Value> {
        let path = artifact.display().to_string().replace("tar.zst", end);
        let text = fs::read_to_string(&path).context(path)?;
        Schema::load(end.split('.').next().unwrap_or_default())?.check(&text)
    };
    for list in [&beside("record.json")?["images"], &beside("files.json")?["images"]] {
        let names: Vec<&str> =
            list.as_array().context("images")?.iter().filter_map(|image| image["image"].as_str()).collect();
        assert_eq!(names.len(), 4, "{list}");
        ensure!(project.images.iter().all(|image| names.contains(&image.as_str())), "{list}");
    }
    Ok(())
}

#[test]
fn an_image_that_is_not_what_its_digest_says_is_rejected_wherever_it_comes_from() -> Result<()> {
    let shared = Shared::get()?;
    let scratch = shared.scratch()?;
    let project = Project::new(&shared, scratch.path(), b"no program")?;
    let recipe = project.folder.join("image-recipes/small/recipe.toml");
    let text = fs::read_to_string(&recipe)?;
    let refused = |text: &str, code: i32, said: &str| -> Result<()> {
        fs::write(&recipe, text)?;
        let ended = project.run("bake").option("--output", scratch.path().join("dist")).refused(code)?;
        ensure!(ended.stderr.contains(said), "expected `{said}`\n{ended}");
        Ok(())
    };
    let only = |name: &str| -> String {
        let keeps = |line: &&str| !line.contains("digest = ") || line.contains(name);
        text.lines().filter(keeps).map(|line| format!("{line}\n")).collect()
    };
    // one of its parts is another
    let files = project.folder.join("images");
    let layer = tar_of(&[Thing::File("a", 0o644, b"a")])?;
    let digest = |of: &Value| of["digest"].as_str().unwrap_or_default().to_owned();
    let recipe_of = |digest: &str| {
        let head = only("nothing");
        format!("{head}\"a.example/a:1\" = {{ digest = {digest:?}, from = \"images/wrong\" }}\n")
    };
    for nth in 0..3 {
        let mut wrong = Layout::default();
        let layer = tar_of(&[Thing::File("a", 0o644, nth.to_string().as_bytes())])?;
        let good = wrong.image("amd64", &json!({}), &[(Packed::Plain, layer)])?;
        if let Some(bytes) = wrong.blobs.values_mut().nth(nth) {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }
        wrong.write(&files.join("wrong"))?;
        refused(&recipe_of(&digest(&good)), 4, "expected digest sha256:")?;
    }
    // the configuration promises another tar
    let mut other = Layout::default();
    let wrong = other.image("amd64", &json!({}), &[(Packed::Gzip, layer.clone())])?;
    let mut manifest = other.document(&wrong)?;
    let mut third = Layout::default();
    let different = tar_of(&[Thing::File("b", 0o644, b"b")])?;
    let there = third.image("amd64", &json!({}), &[(Packed::Gzip, different)])?;
    manifest["layers"] = third.document(&there)?["layers"].clone();
    other.blobs.extend(third.blobs);
    let mixed = other.add("application/vnd.oci.image.manifest.v1+json", serde_json::to_vec(&manifest)?);
    other.write(&files.join("wrong"))?;
    refused(&recipe_of(&digest(&mixed)), 4, "expected diff ID sha256:")?;
    // for another machine
    let mut arm64 = Layout::default();
    let far = arm64.image("arm64", &json!({}), &[(Packed::Plain, layer)])?;
    let index = arm64.index(&[("arm64", &far)])?;
    arm64.write(&files.join("wrong"))?;
    for of in [&far, &index] {
        refused(&recipe_of(&digest(of)), 5, "expected an image for linux/amd64, found linux/arm64")?;
    }
    // an archive without it
    let nothing = recipe_of(&format!("sha256:{}", "0".repeat(64)));
    refused(&nothing.replace("images/wrong", "images/saved.tar"), 5, "it has no image sha256:0000")?;
    refused(&nothing.replace("images/wrong", "../outside.tar"), 2, "below the project's folder")?;
    // a layer that leads out of its tree
    let escapes = oci::tar_of(&[Thing::Hardlink("a", "b")])?;
    let mut bad = Layout::default();
    let bad_image = bad.image("amd64", &json!({}), &[(Packed::Plain, escapes)])?;
    bad.write(&files.join("wrong"))?;
    refused(&recipe_of(&digest(&bad_image)), 5, "which is not an earlier regular file of the archive")
}
