use super::super::tests::{Case, shown};

/// A case with units `name=[Install] text`, of a package.
fn case(units: &[(&str, &str)]) -> Case {
    let mut case = Case::new();
    let lines: Vec<String> = units
        .iter()
        .map(|(name, text)| {
            let sign = if text.starts_with('>') { "" } else { "=[Unit]\nWantedBy=no.target\n[Install]\n" };
            format!("/usr/lib/systemd/system/{name}{sign}{text}")
        })
        .collect();
    case.package("units", "", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    case
}

fn links(case: &Case) -> Vec<String> {
    let tree = case.stage().unwrap();
    let below = tree.iter().filter(|(path, _)| path.as_str().starts_with("/etc/systemd/system/"));
    let lines = below.map(|(path, _)| (path, shown(&tree, path.as_str())));
    lines
        .filter_map(|(path, line)| {
            let target = line.split_once('>')?.1.split(' ').next()?;
            Some(format!("{}>{target}", &path.as_str()["/etc/systemd/system/".len()..]))
        })
        .collect()
}

#[test]
fn units_are_enabled_as_systemctl_does() {
    let units = [
        ("a.service", "WantedBy=multi-user.target x.target\nAlias=other.service\nAlso=b.socket\n"),
        (
            "b.socket",
            "# WantedBy=no.target\nWantedBy=no.target\nWantedBy=\nRequiredBy=sockets.target \\\n y.target\n",
        ),
        ("b.service", ""),
        ("getty@.service", "WantedBy=getty.target\nDefaultInstance=tty1\nAlias=autovt@.service\n"),
        ("p.service", "UpheldBy=%p.target\n"),
    ];
    let lib = "/usr/lib/systemd/system";
    for (enable, expected) in [
        (
            "a.service",
            vec![
                format!("multi-user.target.wants/a.service>{lib}/a.service"),
                format!("other.service>{lib}/a.service"),
                format!("sockets.target.requires/b.socket>{lib}/b.socket"),
                format!("x.target.wants/a.service>{lib}/a.service"),
                format!("y.target.requires/b.socket>{lib}/b.socket"),
            ],
        ),
        (
            "getty@.service",
            vec![
                format!("autovt@tty1.service>{lib}/getty@.service"),
                format!("getty.target.wants/getty@tty1.service>{lib}/getty@.service"),
            ],
        ),
        (
            "getty@tty3.service",
            vec![
                format!("autovt@tty3.service>{lib}/getty@.service"),
                format!("getty.target.wants/getty@tty3.service>{lib}/getty@.service"),
            ],
        ),
        ("p.service", vec![format!("p.target.upholds/p.service>{lib}/p.service")]),
    ] {
        let mut case = case(&units);
        let kind = case.plan.kind.clone();
        case.plan.enable.insert(enable.into(), kind);
        assert_eq!(links(&case), expected, "{enable}");
    }
}

#[test]
fn the_default_target_is_that_of_a_server_unless_a_recipe_says_it() {
    let target = ("multi-user.target", "");
    assert_eq!(links(&case(&[target])), ["default.target>/usr/lib/systemd/system/multi-user.target"]);
    let mut own = case(&[target]);
    own.link("/etc/systemd/system/default.target", "/usr/lib/systemd/system/rescue.target");
    assert_eq!(links(&own), ["default.target>/usr/lib/systemd/system/rescue.target"]);
}

#[test]
fn a_masked_unit_is_a_link_to_nowhere_and_a_recipe_may_bring_its_link() {
    let mut case = case(&[("a.service", "WantedBy=x.target\n")]);
    let kind = case.plan.kind.clone();
    case.plan.mask.insert("a.service".into(), kind.clone());
    assert_eq!(links(&case), ["a.service>/dev/null"]);
    case.link("/etc/systemd/system/a.service", "/dev/null");
    assert_eq!(links(&case), ["a.service>/dev/null"]);
    case.plan.enable.insert("a.service".into(), kind);
    assert!(case.refusal().to_string().contains("`a.service` is both enabled and masked"));
}

#[test]
fn units_that_cannot_be_enabled_are_refused() {
    let units = [
        ("plain.service", ""),
        ("alias.service", ">plain.service"),
        ("masked.service", ">/dev/null"),
        ("t@.service", "WantedBy=x.target\n"),
        ("also.service", "Also=ghost.service\n"),
        ("host.service", "WantedBy=%H.target\n"),
        ("out.service", "Alias=../../x\n"),
    ];
    for (unit, expected) in [
        ("ghost.service", "unit `ghost.service` is not in the image"),
        ("plain.service", "has no [Install] section"),
        ("alias.service", "is an alias"),
        ("masked.service", "is masked by"),
        ("t@.service", "a template without an instance"),
        ("also.service", "unit `ghost.service` is not in the image"),
        ("host.service", "the specifier `%H`"),
        ("out.service", "is not a name of a unit"),
    ] {
        let mut case = case(&units);
        let kind = case.plan.kind.clone();
        case.plan.enable.insert(unit.into(), kind);
        let text = case.refusal().to_string();
        assert!(text.contains(expected), "{unit}: {text}");
    }
    let mut case = case(&units);
    let kind = case.plan.kind.clone();
    case.plan.mask.insert("ghost.service".into(), kind);
    assert!(case.refusal().to_string().contains("is not in the image"));
}

#[test]
fn drop_ins_add_to_the_install_section() {
    let mut case = case(&[("a.service", "")]);
    case.file("/etc/systemd/system/a.service.d/10-x.conf", "[Install]\nWantedBy=x.target\n");
    let kind = case.plan.kind.clone();
    case.plan.enable.insert("a.service".into(), kind);
    assert_eq!(links(&case), ["x.target.wants/a.service>/usr/lib/systemd/system/a.service"]);
}
