//! `serve` answers programs as a mirror does: curl resumes, asks again, and looks at heads.

use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Child;
use tests::shared::Shared;
use tree::release::OS;
use xshell::{Shell, cmd};

const IMAGE: &str = tree::of_release!("knd.", ".amd64.qcow2");
const ARCHIVE: &str = tree::of_release!("knd.", ".amd64.vmconfig.tar.gz");

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A manifest of a drop-in whose files are these.
fn manifest(image: &[u8], archive: &[u8]) -> String {
    let about = |name: &str, file: &str, kind: &str, bytes: &[u8]| {
        format!(
            r#"{{"version": "20261129-abc", "url": "https://vmbake.invalid/vmconfig/artifacts/{name}/20261129-abc/{file}", "type": "{kind}", "digest": "{}", "size": {}}}"#,
            tree::digest::Sha256::of(bytes),
            bytes.len()
        )
    };
    format!(
        r#"{{"vmconfig": {{"version": "20261129-abc", "kind": "knd", "os": {{"name": "{OS}", "arch": "amd64", "image": {}}}, "dependencies": {{"vmconfig": {}}}, "images": []}}}}"#,
        about("os-image", IMAGE, "qcow2", image),
        about("vmconfig", ARCHIVE, "tar.gz", archive)
    )
}

#[test]
fn both_layouts_of_mirrors_ranges_heads_and_what_is_known_are_answered() -> Result<()> {
    let (shared, dir) = (Shared::get()?, tempfile::tempdir()?);
    let (image, archive) = (tests::image::noise(3_000_000, 1), b"archive".to_vec());
    let text = manifest(&image, &archive);
    let mut sums = store::sums::Sums::new();
    for (name, bytes) in [
        (IMAGE, &image[..]),
        (ARCHIVE, &archive),
        (tree::of_release!("vmconfig_knd_", "_amd64.json"), text.as_bytes()),
    ] {
        fs::write(dir.path().join(name), bytes)?;
        sums.insert(name.to_owned(), tree::digest::Sha256::of(bytes));
    }
    fs::write(dir.path().join("SHA256SUMS"), store::sums::print(&sums))?;
    let run = shared.run("serve").args([dir.path().as_os_str()]).option("--listen", "127.0.0.1:0");
    let mut running = Running(run.start_with_output()?);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().context("its output")?).read_line(&mut line)?;
    let url = line.trim().rsplit_once(" at ").context("serving … at …")?.1.to_owned();

    let shell = Shell::new()?;
    let get = |path: &str| {
        let address = format!("{url}/{path}");
        anyhow::Ok(cmd!(shell, "curl -sS --noproxy * {address}").quiet().output()?.stdout)
    };
    for path in [
        format!("vmconfig/artifacts/os-image/20261129-abc/{IMAGE}"),
        format!("os-image/20261129-abc/{IMAGE}"),
        IMAGE.to_owned(),
    ] {
        ensure!(get(&path)? == image, "{path}");
    }
    for path in ["vmconfig/artifacts/vmconfig/20261129-abc", "vmconfig/20261129-abc"] {
        ensure!(get(&format!("{path}/{ARCHIVE}"))? == archive, "{path}");
    }
    // a manifest that does not say where it is published is published here
    let served = String::from_utf8(get(tree::of_release!("manifests/vmconfig_knd_", "_amd64.json"))?)?;
    ensure!(served.contains(&format!("{url}/vmconfig/artifacts/os-image/")), "{served}");

    let asked = |args: &[&str], path: &str| {
        let (address, out) = (format!("{url}/{path}"), dir.path().join("out"));
        let status = "%{http_code} %{size_download} %{num_connects}";
        anyhow::Ok(
            cmd!(shell, "curl -sS --noproxy * -o {out} -w {status} {args...} {address}").quiet().read()?,
        )
    };
    ensure!(asked(&["--range", "1000-1999"], IMAGE)? == "206 1000 1");
    ensure!(fs::read(dir.path().join("out"))? == image[1000..2000]);
    ensure!(asked(&["--range", "3000000-"], IMAGE)?.starts_with("416 "));
    ensure!(asked(&["--head"], IMAGE)?.starts_with("200 0 "));
    let tag = format!("If-None-Match: \"{}\"", sums[IMAGE].hex());
    ensure!(asked(&["--header", &tag], IMAGE)?.starts_with("304 0 "));
    for path in [
        tree::of_release!("os-image/other/knd.", ".amd64.qcow2"),
        "runc/1.4.2/runc.amd64",
        "../Cargo.toml",
        "no-such-file",
    ] {
        ensure!(asked(&["--path-as-is"], path)?.starts_with("404 "), "{path}");
    }
    ensure!(asked(&["--request", "DELETE"], IMAGE)?.starts_with("405 "));
    // a transfer that was cut goes on where it ended
    let part = dir.path().join("part");
    fs::write(&part, &image[..1_234_567])?;
    let address = format!("{url}/{IMAGE}");
    cmd!(shell, "curl -sS --noproxy * -C - -o {part} {address}").quiet().run()?;
    ensure!(fs::read(&part)? == image);
    // one connection serves several requests, and several at once are served
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let counted = "%{num_connects}";
    let connections = cmd!(shell, "curl -sS --noproxy * -w {counted} -o {one} {address} -o {two} {address}")
        .quiet()
        .read()?;
    ensure!(connections == "10", "{connections}");
    cmd!(
        shell,
        "curl -sSf --noproxy * --parallel --parallel-immediate -o {one} {address} -o {two} {address}"
    )
    .quiet()
    .run()?;
    ensure!(fs::read(&one)? == image && fs::read(&two)? == image);
    Ok(())
}
