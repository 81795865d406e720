//! `root=`: which block device, by the ways that Linux (Documentation/admin-guide/kernel-parameters.txt, `root=`) and
//! udev's links have to say it.

use crate::disks::Device;

/// Which block device the root file system is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// `/dev/NAME`, by the name in `/sys/class/block`.
    Name(String),
    /// `8:1`.
    Number(String),
    /// `PARTUUID=`, lower case; `/PARTNROFF=` counts on from there.
    PartUuid(String, i64),
    /// `PARTLABEL=`.
    PartLabel(String),
    /// `UUID=`, lower case.
    Uuid(String),
    /// `LABEL=`.
    Label(String),
}

/// Reads what stands behind `root=`.
pub fn parse(text: &str) -> Result<Root, String> {
    const LINKS: [(&str, &str); 4] = [
        ("/dev/disk/by-partuuid/", "PARTUUID="),
        ("/dev/disk/by-partlabel/", "PARTLABEL="),
        ("/dev/disk/by-uuid/", "UUID="),
        ("/dev/disk/by-label/", "LABEL="),
    ];
    let link = LINKS.iter().find_map(|(path, tag)| Some(format!("{tag}{}", text.strip_prefix(path)?)));
    let text = link.as_deref().unwrap_or(text);
    let (tag, value) = text.split_once('=').unwrap_or(("", text));
    let root = match tag {
        "PARTUUID" => {
            let (uuid, offset) = value.split_once("/PARTNROFF=").unwrap_or((value, "0"));
            let offset =
                offset.parse().map_err(|_| format!("PARTNROFF, expected a number, found `{offset}`"))?;
            Root::PartUuid(uuid.to_ascii_lowercase(), offset)
        }
        "PARTLABEL" => Root::PartLabel(value.to_owned()),
        "UUID" => Root::Uuid(value.to_ascii_lowercase()),
        "LABEL" => Root::Label(value.to_owned()),
        "" if value.starts_with("/dev/disk/") => return Err("a link that only udev makes".to_owned()),
        "" => match value.strip_prefix("/dev/") {
            // sysfs has `!` where a name has `/`
            Some(name) => Root::Name(name.replace('/', "!")),
            None if is_number(value) => Root::Number(value.to_owned()),
            None => {
                return Err(
                    "expected /dev/NAME, PARTUUID=, PARTLABEL=, UUID=, LABEL= or MAJOR:MINOR".to_owned()
                );
            }
        },
        _ => return Err(format!("`{tag}=` is not known")),
    };
    let is_empty = match &root {
        Root::Name(text)
        | Root::Number(text)
        | Root::PartLabel(text)
        | Root::Uuid(text)
        | Root::Label(text) => text.is_empty(),
        Root::PartUuid(text, _) => text.is_empty(),
    };
    if is_empty { Err("it names nothing".to_owned()) } else { Ok(root) }
}

fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(':').is_some_and(|(major, minor)| digits(major) && digits(minor))
}

impl Root {
    /// All devices that it names, in the order of `devices`; more than one where disks are copies of each other.
    #[must_use]
    pub fn find<'a>(&self, devices: &'a [Device]) -> Vec<&'a Device> {
        if let Self::PartUuid(uuid, offset) = self
            && *offset != 0
        {
            let base = devices.iter().filter(|device| device.part_uuid.as_deref() == Some(uuid));
            let beside = base.filter_map(|base| {
                let wanted = i64::from(base.number?).checked_add(*offset)?;
                devices
                    .iter()
                    .find(|device| device.disk == base.disk && device.number.map(i64::from) == Some(wanted))
            });
            return beside.collect();
        }
        let fits = |device: &&Device| match self {
            Self::Name(name) => device.name == *name,
            Self::Number(number) => device.device_number == *number,
            Self::PartUuid(uuid, _) => device.part_uuid.as_ref() == Some(uuid),
            Self::PartLabel(label) => device.part_label.as_ref() == Some(label),
            Self::Uuid(uuid) => device.contents.as_ref().is_some_and(|found| found.uuid == *uuid),
            Self::Label(label) => device.contents.as_ref().is_some_and(|found| found.label == *label),
        };
        devices.iter().filter(fits).collect()
    }
}

impl std::fmt::Display for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "/dev/{}", name.replace('!', "/")),
            Self::Number(number) => f.write_str(number),
            Self::PartUuid(uuid, 0) => write!(f, "PARTUUID={uuid}"),
            Self::PartUuid(uuid, offset) => write!(f, "PARTUUID={uuid}/PARTNROFF={offset}"),
            Self::PartLabel(label) => write!(f, "PARTLABEL={label}"),
            Self::Uuid(uuid) => write!(f, "UUID={uuid}"),
            Self::Label(label) => write!(f, "LABEL={label}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::superblock::Contents;

    const UUID: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";

    #[test]
    fn each_way_of_naming_a_device_is_read() {
        for (text, expected) in [
            ("/dev/vda2", "/dev/vda2"),
            ("/dev/cciss/c0d0p1", "/dev/cciss/c0d0p1"),
            ("8:1", "8:1"),
            ("PARTUUID=ABCDEF01-02", "PARTUUID=abcdef01-02"),
            ("PARTUUID=abcd/PARTNROFF=-1", "PARTUUID=abcd/PARTNROFF=-1"),
            ("/dev/disk/by-partuuid/ABCD", "PARTUUID=abcd"),
            ("/dev/disk/by-label/root", "LABEL=root"),
            ("LABEL=my root", "LABEL=my root"),
            ("UUID=4F68BCE3", "UUID=4f68bce3"),
            ("PARTLABEL=root", "PARTLABEL=root"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
        for text in
            ["", "root", "/dev/", "UUID=", "ZFS=tank", "/dev/disk/by-id/x", "a:b", "PARTUUID=a/PARTNROFF=x"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    fn device(name: &str, number: Option<u32>) -> Device {
        Device {
            name: name.to_owned(),
            disk: name.trim_end_matches(|char: char| char.is_ascii_digit()).to_owned(),
            device_number: format!("8:{}", number.unwrap_or(0)),
            number,
            sectors: 8,
            part_uuid: number.map(|number| format!("{UUID}{number}")),
            part_label: None,
            contents: None,
            mismatch: None,
        }
    }

    fn found(text: &str, devices: &[Device]) -> Vec<String> {
        parse(text).unwrap().find(devices).iter().map(|device| device.name.clone()).collect()
    }

    #[test]
    fn devices_are_found_by_what_is_on_them() {
        let mut devices = [device("sda", None), device("sda1", Some(1)), device("sda2", Some(2))];
        devices[2].contents =
            Some(Contents { kind: "ext4", uuid: UUID.to_owned(), label: "root".to_owned() });
        devices[2].part_label = Some("root-x86-64".to_owned());
        assert_eq!(found(&format!("UUID={}", UUID.to_uppercase()), &devices), ["sda2"]);
        assert_eq!(found("LABEL=root", &devices), ["sda2"]);
        assert_eq!(found("PARTLABEL=root-x86-64", &devices), ["sda2"]);
        assert_eq!(found(&format!("PARTUUID={UUID}1"), &devices), ["sda1"]);
        assert_eq!(found(&format!("PARTUUID={UUID}1/PARTNROFF=1"), &devices), ["sda2"]);
        assert_eq!(found(&format!("PARTUUID={UUID}1/PARTNROFF=2"), &devices), Vec::<String>::new());
        assert_eq!(found("8:2", &devices), ["sda2"]);
        assert_eq!(found("/dev/sda", &devices), ["sda"]);
        assert_eq!(found("LABEL=other", &devices), Vec::<String>::new());
    }

    #[test]
    fn copies_of_a_disk_are_all_found() {
        let devices = [device("sda1", Some(1)), device("sdb1", Some(1))];
        assert_eq!(found(&format!("PARTUUID={UUID}1"), &devices), ["sda1", "sdb1"]);
    }
}
