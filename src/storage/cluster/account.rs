//! Which operating system account PostgreSQL runs as.
//!
//! PostgreSQL refuses to run as root ([server administration, "The PostgreSQL User
//! Account"](https://www.postgresql.org/docs/current/postgres-user.html)), but containers and
//! fresh machines are root by default. So when we are root, the database's processes step down:
//! to the owner of an existing database directory, else to `postgres`, else to `nobody`. In any
//! other case everything runs as ourselves.
//!
//! It deliberately does not create accounts, and it looks accounts up in `/etc/passwd` only.

use super::error::{ClusterError, USE_ANOTHER_DATABASE};
use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// An unprivileged account that root steps down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The account of the database's processes; `None` means our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunAs(pub(super) Option<Account>);

impl RunAs {
    /// Chooses the account for the database directory `pgdata`, which may not exist yet.
    pub(super) fn choose(pgdata: &Path) -> Result<Self, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let owner = fs::metadata(pgdata).ok().filter(|meta| meta.uid() != 0);
        let account = match owner {
            Some(meta) => Some(Account {
                name: name_of(&passwd, meta.uid()),
                uid: meta.uid(),
                gid: meta.gid(),
            }),
            None => find_account(&passwd, "postgres").or_else(|| find_account(&passwd, "nobody")),
        };
        match account {
            Some(account) => Ok(Self(Some(account))),
            None => Err(ClusterError::new(
                "PostgreSQL refuses to run as root, and there is neither a user \"postgres\" nor a user \"nobody\" to run it as",
                "Start Andiron as an ordinary user, create a user \"postgres\", or use a database of your own with --database-url.",
            )),
        }
    }

    /// The user id that owns the database's files.
    pub(super) fn uid(&self) -> u32 {
        match &self.0 {
            Some(account) => account.uid,
            None => rustix::process::geteuid().as_raw(),
        }
    }

    /// A command that runs as this account, in a clean environment.
    ///
    /// Setting a user id while root also drops the supplementary groups: the standard library
    /// does so before it execs. `PG*` variables of the caller must not steer our own cluster, and
    /// `NOTIFY_SOCKET` would let the database report readiness to systemd in Andiron's name.
    pub(super) fn command(&self, program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("PG") || text.starts_with("LC_") || text == "NOTIFY_SOCKET" {
                command.env_remove(&name);
            }
        }
        command
            .env("LC_ALL", "C")
            .current_dir(directory)
            .stdin(Stdio::null());
        if let Some(account) = &self.0 {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Gives `path` itself (not what is below it, and not the target of a link) to the account.
    pub(super) fn own(&self, path: &Path) -> Result<(), ClusterError> {
        match &self.0 {
            Some(account) => lchown(path, Some(account.uid), Some(account.gid))
                .map_err(|error| ClusterError::io("change the owner of", path, &error)),
            None => Ok(()),
        }
    }

    /// Gives `path` and everything below it to the account, never following links.
    pub(super) fn own_tree(&self, path: &Path) -> Result<(), ClusterError> {
        if self.0.is_none() {
            return Ok(());
        }
        let mut pending = vec![path.to_path_buf()];
        while let Some(next) = pending.pop() {
            let list = |error| ClusterError::io("list", &next, &error);
            let meta = fs::symlink_metadata(&next).map_err(list)?;
            if meta.is_dir() {
                for entry in fs::read_dir(&next).map_err(list)? {
                    pending.push(entry.map_err(list)?.path());
                }
            }
            self.own(&next)?;
        }
        Ok(())
    }

    /// The directory that keeps the account from reaching `path`, the outermost one first.
    /// Only the classic permission bits are read: an access control list counts for nothing.
    pub(super) fn find_barrier(&self, path: &Path) -> Option<PathBuf> {
        let account = self.0.as_ref()?;
        let mut ancestors: Vec<_> = path.ancestors().collect();
        ancestors.reverse();
        ancestors
            .into_iter()
            .find(|directory| {
                fs::metadata(directory).is_ok_and(|meta| {
                    let bit = match account {
                        account if account.uid == meta.uid() => 0o100,
                        account if account.gid == meta.gid() => 0o010,
                        _ => 0o001,
                    };
                    meta.mode() & bit == 0
                })
            })
            .map(Path::to_path_buf)
    }
}

/// Runs a command to its end and returns its standard output, or an error with what it said.
pub(super) async fn capture(mut command: Command, what: &str) -> Result<String, ClusterError> {
    // An abandoned start must not leave an `initdb` at work behind it.
    let output = command.kill_on_drop(true).output().await.map_err(|error| {
        ClusterError::new(format!("cannot run {what}: {error}"), USE_ANOTHER_DATABASE)
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(ClusterError::new(
        format!("{what} failed ({}): {}", output.status, said.trim()),
        USE_ANOTHER_DATABASE,
    ))
}

/// The account `name` in the text of a passwd file; root under another name is no step down.
fn find_account(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let gid: u32 = fields.next()?.parse().ok()?;
        (found && uid != 0).then(|| Account {
            name: name.to_owned(),
            uid,
            gid,
        })
    })
}

/// The name of `uid` in the text of a passwd file, else its number.
fn name_of(passwd: &str, uid: u32) -> String {
    let number = uid.to_string();
    passwd
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&number))
        .and_then(|line| line.split(':').next())
        .unwrap_or(&number)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                          toor:x:0:0:root:/root:/bin/bash\n\
                          broken line\n\
                          nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";

    #[test]
    fn accounts_are_read_from_passwd_text() {
        let nobody = Account {
            name: "nobody".to_owned(),
            uid: 65534,
            gid: 65533,
        };
        let cases = [("nobody", Some(nobody)), ("postgres", None), ("toor", None)];
        for (name, expected) in cases {
            assert_eq!(find_account(PASSWD, name), expected, "{name}");
        }
        assert_eq!(name_of(PASSWD, 65534), "nobody");
        assert_eq!(name_of(PASSWD, 4242), "4242");
    }

    #[test]
    fn a_closed_directory_is_named_as_the_barrier() {
        use std::os::unix::fs::PermissionsExt;
        let outer = tempfile::tempdir().expect("a temporary directory");
        let inner = outer.path().join("inner");
        fs::create_dir(&inner).expect("create");
        let stranger = RunAs(Some(Account {
            name: "stranger".to_owned(),
            uid: 4242,
            gid: 4242,
        }));
        let cases = [
            (0o700, 0o755, Some(outer.path().to_path_buf())),
            (0o711, 0o700, Some(inner.clone())),
            (0o711, 0o711, None),
        ];
        for (outer_mode, inner_mode, expected) in cases {
            fs::set_permissions(outer.path(), fs::Permissions::from_mode(outer_mode))
                .expect("mode");
            fs::set_permissions(&inner, fs::Permissions::from_mode(inner_mode)).expect("mode");
            assert_eq!(
                stranger.find_barrier(&inner),
                expected,
                "{outer_mode:o}/{inner_mode:o}"
            );
            assert_eq!(RunAs(None).find_barrier(&inner), None);
        }
    }
}
