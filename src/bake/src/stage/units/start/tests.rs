use super::super::super::tests::Case;

/// An image in which `a.service` is enabled, with this `[Service]` section and what it may need.
fn case(service: &str) -> Case {
    let mut case = Case::new();
    let unit = format!(
        "[Unit]\nConditionFileNotEmpty=/etc/later.env\n[Service]\n{service}[Install]\nWantedBy=x.target\n"
    );
    case.package("sh", "", &["/usr/bin/plain=data", "/usr/bin/link>tool", "/etc/there.env=A=1\n"]);
    case.file("/usr/lib/systemd/system/a.service", &unit);
    for (path, text) in [
        ("/usr/bin/tool", "\u{7f}ELF"),
        ("/usr/bin/script", "#!/usr/bin/tool -e\n"),
        ("/usr/bin/lost", "#!/usr/bin/python9\n"),
        ("/usr/bin/windows", "#!/usr/bin/tool\r\nx\r\n"),
    ] {
        case.file(path, text);
        case.plan.files.last_mut().unwrap().access.mode = 0o755;
    }
    let kind = case.plan.kind.clone();
    case.plan.enable.insert("a.service".into(), kind);
    case
}

#[test]
fn a_unit_that_can_start_is_taken() {
    for service in [
        "",
        "ExecStart=/usr/bin/tool --x=/nonexistent\n",
        "ExecStart=@!!/bin/link arg0\n",
        "ExecStart=tool\n",
        "ExecStart=\"/usr/bin/script\" a\n",
        "ExecStart=/usr/bin/script\n",
        "ExecStart=-/nonexistent\n",
        "ExecStart=/nonexistent\nExecStart=\nExecStart=/usr/bin/tool\n",
        "ExecStart=/usr/lib/%p\n",
        "ExecStart=/nonexistent\nRootDirectory=/srv\n",
        "ExecStop=/nonexistent\n",
        "User=nobody\nGroup=tty\nSupplementaryGroups=shadow nogroup\n",
        "User=%i\n",
        "User=1234\n",
        "User=later\nDynamicUser=yes\n",
        "EnvironmentFile=/etc/there.env\n",
        "EnvironmentFile=/etc/later.env\n",
        "EnvironmentFile=/run/x/made.env\n",
        "EnvironmentFile=-/etc/maybe.env\n",
        "EnvironmentFile=/etc/*.env\n",
    ] {
        let result = case(service).stage();
        assert!(result.is_ok(), "{service}: {}", result.unwrap_err());
    }
}

#[test]
fn a_unit_that_cannot_start_is_refused_with_all_of_its_faults() {
    for (service, expected) in [
        ("ExecStart=/usr/bin/none\n", "ExecStart= `/usr/bin/none` is not in the image"),
        ("ExecStart=none\n", "ExecStart= `none` is not in the image"),
        ("ExecStartPre=+/usr/bin/none\nExecStart=/usr/bin/tool\n", "ExecStartPre= `/usr/bin/none` is not"),
        ("ExecStart=/usr/bin/plain\n", "is not executable: `/usr/bin/plain` has mode 0644"),
        ("ExecStart=/usr/bin\n", "ExecStart= `/usr/bin` is not a file"),
        ("ExecStart=/usr/bin/lost\n", "is a script for `/usr/bin/python9`, which is not in the image"),
        ("ExecStart=/usr/bin/windows\n", "is a script whose lines end with CR LF"),
        ("User=ghost\n", "User= `ghost` is not a user in the image"),
        ("Group=ghost\n", "Group= `ghost` is not a group in the image"),
        ("SupplementaryGroups=tty ghost\n", "Group= `ghost` is not a group in the image"),
        ("EnvironmentFile=/etc/none.env\n", "EnvironmentFile= `/etc/none.env` is in no package"),
    ] {
        let refusal = case(service).refusal();
        let text = refusal.to_string();
        assert!(text.contains("unit `a.service` cannot start: "), "{service}: {text}");
        assert!(text.contains(expected), "{service}: {text}");
        assert!(refusal.hint.is_some_and(|hint| hint.contains("[units] enable")));
    }
    let text = case("ExecStart=/usr/bin/none\nUser=ghost\n").refusal().to_string();
    assert!(text.contains("`/usr/bin/none`") && text.contains("`ghost`"), "{text}");
}

#[test]
fn drop_ins_count_and_masked_units_do_not() {
    let mut bad = case("ExecStart=/usr/bin/tool\n");
    bad.file("/etc/systemd/system/a.service.d/10-x.conf", "[Service]\nUser=ghost\n");
    assert!(bad.refusal().to_string().contains("`ghost`"));
    let mut good = case("ExecStart=/usr/bin/none\n");
    good.file(
        "/etc/systemd/system/a.service.d/10-x.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/tool\n",
    );
    good.stage().unwrap();
    // not enabled: nobody starts it
    let mut idle = case("ExecStart=/usr/bin/none\n");
    idle.plan.enable.clear();
    idle.stage().unwrap();
    // enabled by a link of a rootfs
    idle.link("/etc/systemd/system/x.target.wants/a.service", "/usr/lib/systemd/system/a.service");
    assert!(idle.refusal().to_string().contains("`a.service` cannot start"));
    idle.link("/etc/systemd/system/x.target.wants/ghost.service", "/usr/lib/systemd/system/ghost.service");
    assert!(idle.refusal().to_string().contains("`ghost.service` is enabled, but is not in the image"));
}

#[test]
fn what_sockets_and_timers_start_counts() {
    for (name, text, expected) in [
        ("b.socket", "[Socket]\nListenStream=1\n", "starts `b.service`, which is not in the image"),
        ("b.socket", "[Socket]\nAccept=yes\n", "starts `b@.service`, which is not in the image"),
        ("b.socket", "[Socket]\nService=a.service\n", "unit `a.service` cannot start"),
        ("b.timer", "[Timer]\nOnBootSec=1\nUnit=a.service\n", "unit `a.service` cannot start"),
        (
            "b.path",
            "[Path]\nPathExists=/x\nUnit=c.service\n",
            "starts `c.service`, which is not in the image",
        ),
    ] {
        let mut case = case("ExecStart=/usr/bin/none\n");
        case.file(&format!("/etc/systemd/system/{name}"), &format!("{text}[Install]\nWantedBy=x.target\n"));
        let kind = case.plan.kind.clone();
        case.plan.enable = [(name.to_owned(), kind)].into();
        let said = case.refusal().to_string();
        assert!(said.contains(expected), "{name}: {said}");
    }
}
