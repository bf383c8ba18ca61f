//! The commands of the dialect and their options: pykickstart's, all versions together, and MIC2's.
//! Facts read off the tools' own option parsers; sorted by name.

use crate::table::{Age, NONE, Spec};

/// Every command, sorted by name.
pub(crate) static COMMANDS: &[Spec] = &[
    Spec { name: "auth", any: true, ..NONE },
    Spec { name: "authconfig", any: true, ..NONE },
    Spec { name: "authselect", any: true, ..NONE },
    Spec {
        name: "autopart",
        switches: "backuppassphrase encrypted hibernation noboot nohome nolvm noswap",
        valued: "cipher escrowcert fstype hw-passphrase luks-version passphrase pbkdf \
         pbkdf-iterations pbkdf-memory pbkdf-time type",
        ..NONE
    },
    Spec { name: "autostep", switches: "autoscreenshot", ..NONE },
    Spec {
        name: "bootc",
        switches: "composefs",
        valued: "bootloader source-imgref stateroot target-imgref",
        ..NONE
    },
    Spec {
        name: "bootloader",
        switches: "disabled extlinux iscrypted lba32 leavebootorder linear nolinear nombr \
         sdboot upgrade useLilo",
        valued: "append boot-drive default driveorder hvargs location md5pass menus \
         password ptable timeout",
        ..NONE
    },
    Spec {
        name: "btrfs",
        switches: "noformat quota snapshot subvol useexisting",
        valued: "base data label metadata mkfsoptions name parent",
        ..NONE
    },
    Spec { name: "cdrom", ..NONE },
    Spec {
        name: "clearpart",
        switches: "all cdl initlabel linux none",
        valued: "disklabel drives list",
        ..NONE
    },
    Spec { name: "cmdline", switches: "non-interactive", ..NONE },
    Spec { name: "desktop", valued: "autologinuser defaultdesktop defaultdm session", ..NONE },
    Spec { name: "device", valued: "opts", ..NONE },
    Spec { name: "deviceprobe", ..NONE },
    Spec { name: "dmraid", valued: "dev name", ..NONE },
    Spec { name: "driverdisk", valued: "biospart source type", ..NONE },
    Spec { name: "eula", switches: "accept accepted agree agreed", ..NONE },
    Spec { name: "fcoe", switches: "autovlan dcb", valued: "nic", needs: "nic", ..NONE },
    Spec {
        name: "firewall",
        switches: "disable disabled enable enabled ftp http smtp ssh use-system-defaults",
        valued: "high medium port remove-service service trust",
        either: "telnet",
        ..NONE
    },
    Spec { name: "firstboot", switches: "disable disabled enable enabled reconfig", ..NONE },
    Spec { name: "graphical", switches: "non-interactive", ..NONE },
    Spec { name: "group", valued: "gid name", needs: "name", ..NONE },
    Spec { name: "halt", switches: "eject kexec", ..NONE },
    Spec { name: "harddrive", valued: "biospart dir partition", needs: "dir", ..NONE },
    Spec { name: "hmc", ..NONE },
    Spec { name: "ignoredisk", switches: "interactive", valued: "drives only-use", ..NONE },
    Spec { name: "install", valued: "root-device", ..NONE },
    Spec { name: "interactive", age: Age::Old, ..NONE },
    Spec {
        name: "iscsi",
        valued: "iface ipaddr password port reverse-password reverse-user target user",
        ..NONE
    },
    Spec { name: "iscsiname", ..NONE },
    Spec { name: "key", switches: "skip", age: Age::Old, ..NONE },
    Spec { name: "keyboard", valued: "switch vckeymap xlayouts", ..NONE },
    Spec { name: "lang", valued: "addsupport", operands: 1, ..NONE },
    Spec { name: "langsupport", valued: "default", age: Age::Old, ..NONE },
    Spec {
        name: "lilo",
        switches: "lba32 linear nolinear upgrade useLilo",
        valued: "append driveorder location md5pass password",
        age: Age::Old,
        ..NONE
    },
    Spec { name: "lilocheck", age: Age::Old, ..NONE },
    Spec {
        name: "liveimg",
        switches: "noverifyssl",
        valued: "checksum proxy url",
        needs: "url",
        ..NONE
    },
    Spec { name: "logging", valued: "host level port", ..NONE },
    Spec {
        name: "logvol",
        switches: "backuppassphrase encrypted grow hibernation noformat recommended \
         resize thin thinpool useexisting",
        valued: "bytes-per-inode cachemode cachepvs cachesize chunksize cipher \
         escrowcert fsoptions fsprofile fstype label luks-version maxsize \
         metadatasize mkfsoptions name passphrase pbkdf pbkdf-iterations pbkdf- \
         memory pbkdf-time percent poolname profile size vgname",
        needs: "name vgname",
        operands: 1,
        ..NONE
    },
    Spec { name: "mediacheck", ..NONE },
    Spec {
        name: "method",
        switches: "noverifyssl",
        valued: "metalink mirrorlist proxy sslcacert sslclientcert sslclientkey url",
        ..NONE
    },
    Spec { name: "module", switches: "disable", valued: "name stream", ..NONE },
    Spec {
        name: "monitor",
        switches: "noprobe",
        valued: "hsync monitor vsync",
        age: Age::Old,
        ..NONE
    },
    Spec { name: "mount", valued: "mkfsoptions mountoptions", either: "reformat", ..NONE },
    Spec { name: "mouse", switches: "emulthree", valued: "device", age: Age::Old, ..NONE },
    Spec { name: "multipath", valued: "device name rule", ..NONE },
    Spec {
        name: "network",
        switches: "activate ipv4-ignore-auto-dns ipv6-ignore-auto-dns no-activate \
         nodefroute nodns noipv4 noipv6 notksdevice",
        valued: "bindto bondopts bondslaves bootproto bridgeopts bridgeslaves device \
         dhcpclass essid ethtool gateway hostname interfacename ip ipv4-dns- \
         search ipv6 ipv6-dns-search ipv6gateway mtu nameserver netmask onboot \
         teamconfig teamslaves vlanid wepkey wpakey",
        ..NONE
    },
    Spec { name: "nfs", valued: "dir opts server", needs: "server dir", ..NONE },
    Spec { name: "nvdimm", valued: "blockdevs mode namespace sectorsize", ..NONE },
    Spec {
        name: "ostreecontainer",
        switches: "no-signature-verification",
        valued: "remote stateroot transport url",
        needs: "url",
        ..NONE
    },
    Spec {
        name: "ostreesetup",
        switches: "nogpg",
        valued: "osname ref remote url",
        needs: "osname url ref",
        ..NONE
    },
    Spec {
        name: "part",
        switches: "active asprimary backuppassphrase encrypted grow hibernation noformat \
         recommended resize",
        valued: "align bytes-per-inode cipher end escrowcert extoptions fsoptions \
         fsprofile fstype hw-passphrase label luks-version maxsize mkfsoptions \
         onbiosdisk ondisk ondrive onpart part-type passphrase pbkdf pbkdf- \
         iterations pbkdf-memory pbkdf-time size start type usepart uuid",
        operands: 1,
        ..NONE
    },
    Spec {
        name: "partition",
        switches: "active asprimary backuppassphrase encrypted grow hibernation noformat \
         recommended resize",
        valued: "align bytes-per-inode cipher end escrowcert extoptions fsoptions \
         fsprofile fstype hw-passphrase label luks-version maxsize mkfsoptions \
         onbiosdisk ondisk ondrive onpart part-type passphrase pbkdf pbkdf- \
         iterations pbkdf-memory pbkdf-time size start type usepart uuid",
        operands: 1,
        ..NONE
    },
    Spec { name: "poweroff", switches: "eject kexec", ..NONE },
    Spec {
        name: "raid",
        switches: "backuppassphrase encrypted noformat useexisting",
        valued: "bytes-per-inode chunksize cipher device escrowcert fsoptions fsprofile \
         fstype label level luks-version mkfsoptions passphrase pbkdf pbkdf- \
         iterations pbkdf-memory pbkdf-time spares",
        needs: "device",
        operands: 1,
        ..NONE
    },
    Spec { name: "rdp", valued: "password username", ..NONE },
    Spec { name: "realm", any: true, ..NONE },
    Spec { name: "reboot", switches: "eject kexec", ..NONE },
    Spec {
        name: "repo",
        switches: "debuginfo disable install nocache noverifyssl save source",
        valued: "baseurl cost excludepkgs gpgkey ignoregroups includepkgs metalink \
         mirrorlist name passwd priority proxy proxypasswd proxyuser ssl_verify \
         sslcacert sslclientcert sslclientkey user",
        needs: "name",
        ..NONE
    },
    Spec { name: "reqpart", switches: "add-boot", ..NONE },
    Spec { name: "rescue", switches: "nomount romount", ..NONE },
    Spec {
        name: "rhsm",
        switches: "connect-to-insights",
        valued: "activation-key flatpak-registry-url organization proxy rhsm-baseurl \
         server-hostname",
        age: Age::Rhel,
        ..NONE
    },
    Spec { name: "rootpw", switches: "allow-ssh iscrypted lock plaintext", ..NONE },
    Spec { name: "selinux", switches: "disabled enforcing permissive", ..NONE },
    Spec { name: "services", valued: "disabled enabled", ..NONE },
    Spec { name: "shutdown", switches: "eject kexec", ..NONE },
    Spec { name: "skipx", ..NONE },
    Spec { name: "snapshot", valued: "name when", needs: "name when", ..NONE },
    Spec { name: "sshkey", valued: "username", needs: "username", ..NONE },
    Spec {
        name: "sshpw",
        switches: "iscrypted lock plaintext sshkey",
        valued: "username",
        needs: "username",
        ..NONE
    },
    Spec {
        name: "stratisfs",
        switches: "grow useexisting",
        valued: "maxsize name poolname size",
        ..NONE
    },
    Spec {
        name: "stratispool",
        switches: "encrypted overprovisioning useexisting",
        valued: "passphrase",
        ..NONE
    },
    Spec { name: "syspurpose", valued: "addon role sla usage", age: Age::Rhel, ..NONE },
    Spec { name: "text", switches: "non-interactive", ..NONE },
    Spec { name: "timesource", switches: "ntp-disable nts", valued: "ntp-pool ntp-server", ..NONE },
    Spec { name: "timezone", switches: "isUtc nontp utc", valued: "ntpservers", ..NONE },
    Spec { name: "unsupported_hardware", age: Age::Rhel, ..NONE },
    Spec { name: "updates", ..NONE },
    Spec { name: "upgrade", valued: "root-device", age: Age::Old, ..NONE },
    Spec {
        name: "url",
        switches: "noverifyssl",
        valued: "metalink mirrorlist proxy sslcacert sslclientcert sslclientkey url",
        ..NONE
    },
    Spec {
        name: "user",
        switches: "iscrypted lock plaintext",
        valued: "gecos gid groups homedir name password shell uid",
        needs: "name",
        ..NONE
    },
    Spec { name: "vnc", valued: "connect host password port", ..NONE },
    Spec {
        name: "volgroup",
        switches: "noformat useexisting",
        valued: "pesize reserved-percent reserved-space",
        operands: 1,
        ..NONE
    },
    Spec {
        name: "xconfig",
        switches: "startxonboot",
        valued: "card defaultdesktop depth driver hsync monitor resolution server \
         videoram vsync",
        either: "noprobe",
        ..NONE
    },
    Spec { name: "zerombr", ..NONE },
    Spec { name: "zfcp", valued: "devnum fcplun scsiid scsilun wwpn", ..NONE },
    Spec { name: "zipl", switches: "force-secure-boot no-secure-boot secure-boot", ..NONE },
];
