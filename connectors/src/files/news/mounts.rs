//! File systems on which changes made elsewhere are not told here.

use std::path::Path;

/// Types of file systems that other machines write to, as Linux calls them.
const REMOTE: [&str; 13] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "virtiofs"];

/// The type of the file system that `folder` is on, if it is one of a network; none where that cannot be told.
pub(super) fn network_file_system(folder: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = kind_at(&mounts, &folder.canonicalize().ok()?)?;
    is_remote(&kind).then_some(kind)
}

fn is_remote(kind: &str) -> bool {
    // sshfs, s3fs, gcsfuse and the like: what others write through another mount is not told.
    REMOTE.contains(&kind) || kind == "fuse" || kind.starts_with("fuse.")
}

/// The type of the mount that is nearest above `folder`; of several at one place, the last.
/// <https://www.kernel.org/doc/Documentation/filesystems/proc.txt>, 3.5
fn kind_at(mounts: &str, folder: &Path) -> Option<String> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let place = before.split(' ').nth(4)?.replace("\\040", " ");
        Some((place, after.split(' ').next()?.to_owned()))
    };
    let above = mounts.lines().filter_map(mount).filter(|(place, _)| folder.starts_with(place));
    above.max_by_key(|(place, _)| place.len()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /mnt/share rw,relatime - nfs4 server:/export rw
31 22 0:27 / /mnt/my\\040files rw shared:5 master:2 - fuse.sshfs host: rw
32 30 0:28 / /mnt/share/local rw - tmpfs tmpfs rw
";

    #[test]
    fn the_nearest_mount_says_whether_changes_are_told() {
        for (folder, kind, remote) in [
            ("/data/in", "ext4", false),
            ("/mnt/share/in", "nfs4", true),
            ("/mnt/shared", "ext4", false),
            ("/mnt/my files/in", "fuse.sshfs", true),
            ("/mnt/share/local/in", "tmpfs", false),
        ] {
            let found = kind_at(MOUNTS, Path::new(folder)).unwrap();
            assert_eq!((found.as_str(), is_remote(&found)), (kind, remote), "{folder}");
        }
    }
}
