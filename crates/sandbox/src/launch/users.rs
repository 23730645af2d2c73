//! The image's USER, by the image's own `/etc/passwd` and `/etc/group`, as engines read it.
//!
//! Source: moby, `user.GetExecUser`. The files are hostile: read below the layers' folders, within ceilings.

use std::os::fd::AsFd;

use nix::{fcntl::AtFlags, sys::stat::fstatat};

use super::{
    LaunchError,
    below::{self, Root},
    store::Layer,
    sys,
};

/// Most bytes of one of the two files that are read.
const BYTES_MAX: u64 = 1 << 20;
/// Most supplementary groups: what engines and the kernel take.
const GROUPS_MAX: usize = 1_000;

/// Whom the sample runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
    /// Its folder, by `/etc/passwd`; `/` where that does not tell.
    pub(super) home: String,
}

/// Finds the user in the highest layer that has the two files.
pub(super) fn resolve(layers: &[Layer], user: &str) -> Result<User, LaunchError> {
    parse(user, &merged(layers, "etc", "passwd"), &merged(layers, "etc", "group")).map_err(LaunchError::not_started)
}

/// The text of `folder/name` as the layers together show it; empty where there is none.
fn merged(layers: &[Layer], folder: &str, name: &str) -> String {
    for layer in layers.iter().rev() {
        let Ok(root) = Root::open(layer.path()) else { return String::new() };
        if let Ok(mut file) = root.file(&format!("{folder}/{name}")) {
            let (bytes, _) = below::read_bounded(&mut file, BYTES_MAX).unwrap_or_default();
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        // A whiteout of either, or an opaque folder, ends the search.
        let hidden = |path: &str| {
            fstatat(root.fd(), path, AtFlags::AT_SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFCHR)
        };
        if hidden(folder) || hidden(&format!("{folder}/{name}")) || opaque(&root, folder) {
            return String::new();
        }
    }
    String::new()
}

fn opaque(root: &Root, folder: &str) -> bool {
    [folder, "."]
        .iter()
        .any(|path| root.folder(path).is_ok_and(|folder| sys::has_attribute(folder.as_fd(), c"user.overlay.opaque")))
}

fn parse(user: &str, passwd: &str, group: &str) -> Result<User, String> {
    let (name, asked_group) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
    let name = if name.is_empty() { "0" } else { name };
    let number = name.parse::<u32>().ok();
    let mut found = User { uid: number.unwrap_or(0), gid: 0, groups: Vec::new(), home: "/".to_owned() };
    let mut login = None;
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [entry, _, uid, gid, _, home, ..] = fields[..] else { continue };
        let (Ok(uid), Ok(gid)) = (uid.parse::<u32>(), gid.parse::<u32>()) else { continue };
        // A name goes first, also where it is made of digits.
        if entry == name || (number == Some(uid) && login.is_none()) {
            found = User { uid, gid, groups: Vec::new(), home: if home.is_empty() { "/" } else { home }.to_owned() };
            login = Some(entry);
            if entry == name {
                break;
            }
        }
    }
    if login.is_none() && number.is_none() {
        return Err(format!("the image has no user {name:?}"));
    }
    let groups = group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (entry, _, gid, members) = (fields.next()?, fields.next()?, fields.next()?, fields.next().unwrap_or(""));
        Some((entry, gid.parse::<u32>().ok()?, members))
    });
    match asked_group.filter(|group| !group.is_empty()) {
        Some(asked) => {
            let by_name = groups.clone().find(|(entry, ..)| *entry == asked).map(|(_, gid, _)| gid);
            let gid = by_name.or_else(|| asked.parse().ok());
            found.gid = gid.ok_or_else(|| format!("the image has no group {asked:?}"))?;
        }
        None => {
            let Some(login) = login else { return Ok(found) };
            let member = groups.filter(|(.., members)| members.split(',').any(|member| member == login));
            found.groups = member.map(|(_, gid, _)| gid).take(GROUPS_MAX).collect();
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1001::/home/app:/bin/sh\n7:x:70:70::/seven:\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,app\napps:x:1001:\nvideo:x:44:app";

    fn check(user: &str, uid: u32, gid: u32, groups: &[u32], home: &str) {
        let found = parse(user, PASSWD, GROUP).unwrap();
        assert_eq!(found, User { uid, gid, groups: groups.to_vec(), home: home.to_owned() }, "{user}");
    }

    #[test]
    fn users_are_found_as_engines_do() {
        check("", 0, 0, &[10], "/root");
        check("root", 0, 0, &[10], "/root");
        check("app", 1000, 1001, &[10, 44], "/home/app");
        check("1000", 1000, 1001, &[10, 44], "/home/app");
        check("app:video", 1000, 44, &[], "/home/app");
        check("app:5", 1000, 5, &[], "/home/app");
        check("4242", 4242, 0, &[], "/");
        check("4242:17", 4242, 17, &[], "/");
        check("7", 70, 70, &[], "/seven");
    }

    #[test]
    fn unknown_names_are_said() {
        assert!(parse("nobody", PASSWD, GROUP).unwrap_err().contains("nobody"));
        assert!(parse("app:none", PASSWD, GROUP).unwrap_err().contains("none"));
        assert!(parse("x", "", "").is_err());
    }
}
