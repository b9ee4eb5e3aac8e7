//! Who the server is: `--user` and `--group`, looked up in /etc/passwd and /etc/group. Pure.
//!
//! In these two files alone, as container runtimes do for an image's user. The C library's `getpwnam` would ask its other
//! sources too (LDAP, SSSD), by plug-ins that it loads: a static program cannot load them, and one that can would answer
//! otherwise than the same release linked statically. Users of other sources are named by number, as `UID:GID`. The crates
//! that read the two files are years without a release, and longer than this.

use crate::sys::credentials::Credentials;
use std::ffi::{OsStr, OsString};

/// `NAME|UID[:GROUP]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSpec {
    /// A name or a number.
    pub user: String,
    /// A name or a number.
    pub group: Option<String>,
}

impl UserSpec {
    /// Parses what `--user` was given.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        match (user, group) {
            ("", _) => Err("no user; must be NAME or UID, or with a group NAME:GROUP"),
            (_, Some("")) => Err("no group after the colon"),
            (_, Some(group)) if group.contains(':') => {
                Err("must be NAME, UID, or with a group NAME:GROUP")
            }
            (user, group) => Ok(Self {
                user: user.to_owned(),
                group: group.map(str::to_owned),
            }),
        }
    }
}

/// Who the server shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What the kernel is told.
    pub credentials: Credentials,
    /// What the environment says of the user; `None` leaves it as it is.
    pub account: Option<Account>,
    /// The user and the group as they were given, for people: `www-data:adm`.
    pub name: String,
}

/// What the environment says of a user. What is `None` must not stay as it was for another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// `USER` and `LOGNAME`.
    pub name: Option<String>,
    /// `HOME`.
    pub home: Option<String>,
    /// `SHELL`.
    pub shell: Option<String>,
}

/// The two files' texts.
#[derive(Debug, Clone, Copy)]
pub struct Database<'a> {
    /// /etc/passwd.
    pub passwd: &'a str,
    /// /etc/group.
    pub group: &'a str,
}

/// A line of /etc/passwd (passwd(5)).
struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
    shell: &'a str,
}

/// A line of /etc/group (group(5)).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Database<'a> {
    fn users(self) -> impl Iterator<Item = User<'a>> {
        self.passwd.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, _, home, shell] = fields[..] else {
                return None;
            };
            Some(User {
                name,
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                home,
                shell,
            })
        })
    }

    fn groups(self) -> impl Iterator<Item = Group<'a>> {
        self.group.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields[..] else {
                return None;
            };
            Some(Group {
                name,
                gid: gid.parse().ok()?,
                members,
            })
        })
    }

    /// The user `text` names, with this group in place of the user's own.
    pub fn user(self, spec: &UserSpec) -> Result<Identity, String> {
        let number = number(&spec.user)?;
        let entry = match number {
            Some(uid) => self.users().find(|user| user.uid == uid),
            None => self.users().find(|user| user.name == spec.user),
        };
        let uid = match (number, &entry) {
            (Some(uid), _) => uid,
            (None, Some(user)) => user.uid,
            (None, None) => return Err("no such user in /etc/passwd".to_owned()),
        };
        let gid = match (&spec.group, &entry) {
            (Some(group), _) => self.gid(group)?,
            (None, Some(user)) => user.gid,
            (None, None) => {
                return Err(format!(
                    "no such user in /etc/passwd; name the group too, as {uid}:{uid}"
                ));
            }
        };
        let shown = spec
            .group
            .iter()
            .fold(spec.user.clone(), |user, group| format!("{user}:{group}"));
        Ok(Identity {
            credentials: Credentials {
                uid: Some(uid),
                gid,
                groups: Some(self.supplementary(entry.as_ref(), gid)),
            },
            account: Some(entry.map_or_else(Account::default, |user| user.account())),
            name: shown,
        })
    }

    /// This program's user with another group.
    pub fn group(self, group: &str) -> Result<Identity, String> {
        Ok(Identity {
            credentials: Credentials {
                uid: None,
                gid: self.gid(group)?,
                groups: None,
            },
            account: None,
            name: format!(":{group}"),
        })
    }

    fn gid(self, group: &str) -> Result<u32, String> {
        if let Some(gid) = number(group)? {
            return Ok(gid);
        }
        let found = self.groups().find(|entry| entry.name == group);
        found
            .map(|entry| entry.gid)
            .ok_or_else(|| "no such group in /etc/group".to_owned())
    }

    /// The groups that a login would give (initgroups(3)): `gid`, and those that list the user.
    fn supplementary(self, user: Option<&User<'_>>, gid: u32) -> Vec<u32> {
        let mut gids = vec![gid];
        if let Some(user) = user {
            let lists = |group: &Group<'_>| group.members.split(',').any(|name| name == user.name);
            gids.extend(self.groups().filter(lists).map(|group| group.gid));
        }
        // The first of two equal ones stays: the order is that of the files.
        let mut seen = std::collections::BTreeSet::new();
        gids.retain(|gid| seen.insert(*gid));
        gids
    }
}

impl User<'_> {
    /// As systemd does (systemd.exec(5)): a home or a shell that is none is not told.
    fn account(&self) -> Account {
        let home = Some(self.home).filter(|home| !matches!(*home, "" | "/" | "/nonexistent"));
        let shell = Some(self.shell).filter(|shell| {
            let program = shell.rsplit('/').next().unwrap_or_default();
            !matches!(program, "" | "nologin" | "false" | "true")
        });
        Account {
            name: Some(self.name.to_owned()),
            home: home.map(str::to_owned),
            shell: shell.map(str::to_owned),
        }
    }
}

/// A user's or group's number; `None` for a name, which is none of digits alone (useradd(8)).
fn number(text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        // The highest one means "unchanged" to the kernel (setresuid(2)).
        Ok(u32::MAX) | Err(_) => Err(format!("{text} is above {}", u32::MAX - 1)),
        Ok(number) => Ok(Some(number)),
    }
}

/// `variables` as a server of this user finds them.
pub fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
    account: Option<&Account>,
) -> Vec<(OsString, OsString)> {
    let Some(account) = account else {
        return variables.collect();
    };
    let told = [
        ("HOME", &account.home),
        ("USER", &account.name),
        ("LOGNAME", &account.name),
        ("SHELL", &account.shell),
    ];
    let is_told = |name: &OsStr| told.iter().any(|(told, _)| name == *told);
    let kept = variables.filter(|(name, _)| !is_told(name));
    let new = told
        .iter()
        .filter_map(|(name, value)| Some((name.into(), value.as_ref()?.into())));
    kept.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: Database<'static> = Database {
        passwd: "# comment\n\
                 root:x:0:0:root:/root:/bin/bash\n\
                 +nis::::::\n\
                 broken:x:one:2:::\n\
                 www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
                 ann:x:1000:1000:Ann,,,:/home/ann:/bin/zsh\n\
                 huge:x:1001:4294967296::/:/bin/sh\n",
        group: "root:x:0:\nadm:x:4:ann,annie\nwww-data:x:33:ann\nann:x:1000:\nstaff:x:50:annie\nagain:x:33:ann\n",
    };

    fn user(text: &str) -> Result<Identity, String> {
        DATABASE.user(&UserSpec::parse(text).unwrap())
    }

    /// uid, gid and groups.
    fn ids(text: &str) -> (Option<u32>, u32, Vec<u32>) {
        let found = user(text).unwrap().credentials;
        (found.uid, found.gid, found.groups.unwrap())
    }

    #[test]
    fn a_user_has_the_groups_of_a_login() {
        assert_eq!(ids("ann"), (Some(1000), 1000, vec![1000, 4, 33]));
        assert_eq!(ids("1000"), ids("ann"));
        assert_eq!(ids("www-data"), (Some(33), 33, vec![33]));
        assert_eq!(ids("root"), (Some(0), 0, vec![0]));
    }

    #[test]
    fn a_group_replaces_the_users_own() {
        assert_eq!(ids("ann:staff"), (Some(1000), 50, vec![50, 4, 33]));
        assert_eq!(ids("ann:33"), (Some(1000), 33, vec![33, 4]));
        assert_eq!(ids("1000:77"), (Some(1000), 77, vec![77, 4, 33]));
    }

    #[test]
    fn numbers_need_no_entry() {
        assert_eq!(ids("4242:4343"), (Some(4242), 4343, vec![4343]));
        assert_eq!(ids("4242:adm"), (Some(4242), 4, vec![4]));
        assert_eq!(user("4242:1").unwrap().account, Some(Account::default()));
    }

    #[test]
    fn a_group_alone_keeps_all_else() {
        let found = DATABASE.group("adm").unwrap();
        let Credentials { uid, gid, groups } = found.credentials;
        assert_eq!((uid, gid, groups), (None, 4, None));
        assert_eq!(found.account, None);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (text, says) in [
            ("nobdy", "no such user"),
            ("broken", "no such user"),
            ("huge", "no such user"),
            ("+nis", "no such user"),
            ("4242", "as 4242:4242"),
            ("ann:nogroup", "no such group"),
            ("ann:4294967295", "above 4294967294"),
            ("99999999999:1", "above 4294967294"),
        ] {
            let error = user(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        for text in ["", ":", ":adm", "ann:", "ann:a:b"] {
            UserSpec::parse(text).unwrap_err();
        }
        DATABASE.group("").unwrap_err();
    }

    fn variables(account: Option<&Account>) -> Vec<(OsString, OsString)> {
        let before = [
            ("A", "1"),
            ("HOME", "/root"),
            ("USER", "root"),
            ("SHELL", "/bin/sh"),
        ];
        let before = before.map(|(name, value)| (name.into(), value.into()));
        environment(before.into_iter(), account)
    }

    #[test]
    fn the_environment_tells_of_the_user_and_of_nobody_else() {
        let of = |text| {
            let told = variables(user(text).unwrap().account.as_ref()).into_iter();
            let told = told.map(|(n, v)| format!("{}={}", n.display(), v.display()));
            told.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            of("ann"),
            "A=1 HOME=/home/ann USER=ann LOGNAME=ann SHELL=/bin/zsh"
        );
        assert_eq!(
            of("www-data"),
            "A=1 HOME=/var/www USER=www-data LOGNAME=www-data"
        );
        assert_eq!(of("nobody"), "A=1 USER=nobody LOGNAME=nobody");
        assert_eq!(of("4242:1"), "A=1");
        assert_eq!(variables(None).len(), 4);
    }
}
