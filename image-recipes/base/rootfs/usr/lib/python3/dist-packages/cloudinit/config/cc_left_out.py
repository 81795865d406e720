"""Says which keys of a cloud-config this image does not apply, as the modules for them are left out of it."""

import logging

from cloudinit import util
from cloudinit.settings import PER_INSTANCE

LOG = logging.getLogger(__name__)

PACKAGES = "the image is complete: packages are added where it is baked"
IMAGE = "it is set where the image is baked"
NONE = "this image has no module for it"

# keys of cloud-config, and why nothing is done
KEYS = {
    "ansible": NONE,
    "apt": PACKAGES,
    "apt_pipelining": PACKAGES,
    "byobu_by_default": NONE,
    "chef": NONE,
    "disable_ec2_metadata": NONE,
    "grub_dpkg": "the image starts by systemd-boot",
    "keyboard": IMAGE,
    "landscape": NONE,
    "locale": IMAGE,
    "lxd": NONE,
    "mcollective": NONE,
    "ntp": "systemd-timesyncd keeps the time; write_files takes /etc/systemd/timesyncd.conf.d/*.conf",
    "packages": PACKAGES,
    "phone_home": NONE,
    "power_state": "runcmd takes `systemctl reboot`",
    "puppet": NONE,
    "resolv_conf": "systemd-resolved writes it; write_files takes /etc/systemd/resolved.conf.d/*.conf",
    "rsyslog": NONE,
    "salt_minion": NONE,
    "snap": PACKAGES,
    "ssh_import_id": "ssh_authorized_keys takes the keys themselves",
    "ubuntu_pro": NONE,
    "updates": NONE,
    "wireguard": NONE,
}
# Proxmox and others ask for these without being asked, so they do not make a boot "degraded".
QUIET = ("package_reboot_if_required", "package_update", "package_upgrade")

meta = {
    "id": "cc_left_out",
    "distros": ["all"],
    "frequency": PER_INSTANCE,
    "activate_by_schema_keys": [],
}


def found(given):
    """The keys in `given` that ask for something which is not done, with the reason."""
    asks = {key: given[key] for key in given if given[key] not in (None, False, [], {})}
    # what the image has already
    if str(asks.get("locale", "")).upper().replace("-", "") in ("C.UTF8", "POSIX", "C"):
        asks.pop("locale")
    # `apt` that keeps the sources as they are asks for nothing
    if asks.get("apt") == {"preserve_sources_list": True}:
        asks.pop("apt")
    loud = [(key, KEYS[key]) for key in sorted(asks) if key in KEYS]
    quiet = [(key, PACKAGES) for key in QUIET if key in asks]
    return loud, quiet


def handle(name, cfg, cloud, args):
    # what the instance was given, without the image's own defaults
    given = util.read_conf(cloud.paths.get_ipath_cur("cloud_config"))
    loud, quiet = found(given if isinstance(given, dict) else {})
    for key, why in loud:
        LOG.warning("user-data: `%s` is not applied: %s", key, why)
    for key, why in quiet:
        LOG.info("user-data: `%s` is not applied: %s", key, why)
