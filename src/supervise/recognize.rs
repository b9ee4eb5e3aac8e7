//! Which server it is: by COMMAND, else by what it writes first. Pure.

use super::profile::Server;
use memchr::memmem::find;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// File names of the servers' programs. A version may follow: `php-fpm8.2`, `gunicorn3`.
const NAMES: [(&str, Server); 18] = [
    ("gunicorn", Server::Gunicorn),
    ("uwsgi", Server::Uwsgi),
    ("uwsgi-core", Server::Uwsgi),
    ("uwsgi_python", Server::Uwsgi),
    ("puma", Server::Puma),
    ("unicorn", Server::Unicorn),
    ("unicorn_rails", Server::Unicorn),
    ("apache", Server::Apache),
    ("httpd", Server::Apache),
    ("httpd-prefork", Server::Apache),
    ("apache2-foreground", Server::Apache),
    ("httpd-foreground", Server::Apache),
    ("nginx", Server::Nginx),
    ("nginx-debug", Server::Nginx),
    ("openresty", Server::Nginx),
    ("php-fpm", Server::PhpFpm),
    ("postgres", Server::Postgres),
    ("postmaster", Server::Postgres),
];

/// How an interpreter's file name begins that runs a server's script, or with `-m` its module.
const INTERPRETERS: [&str; 3] = ["python", "pypy", "ruby"];

/// Programs that execute what follows these words.
const RUNNERS: [&[&str]; 6] = [
    &["bundle", "exec"],
    &["poetry", "run"],
    &["pipenv", "run"],
    &["uv", "run"],
    &["rbenv", "exec"],
    &["env"],
];

/// The server that COMMAND names. Where it does not begin with one: an interpreter's script or module, or what a runner or
/// an image's entrypoint script executes in its place.
pub fn by_command(command: &[OsString]) -> Option<Server> {
    let (program, args) = command.split_first()?;
    let name = Path::new(program).file_name()?.to_str()?;
    if let Some(server) = by_name(name) {
        return Some(server);
    }
    if INTERPRETERS.iter().any(|known| is_versioned(name, known)) {
        return by_script(args);
    }
    let runner = RUNNERS.iter().find(|words| words[0] == name);
    if let Some(more) = runner.and_then(|words| after(args, &words[1..])) {
        let assigns = |arg: &&OsString| arg.as_bytes().contains(&b'=');
        let skipped = more.iter().take_while(assigns).count();
        return by_command(&more[skipped..]);
    }
    if name.contains("entrypoint") {
        return by_command(args);
    }
    None
}

fn by_name(name: &str) -> Option<Server> {
    let found = NAMES.iter().find(|(known, _)| is_versioned(name, known));
    found.map(|(_, server)| *server)
}

/// Whether `name` is `known`, with or without a version behind it.
fn is_versioned(name: &str, known: &str) -> bool {
    let version = |rest: &str| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || b".-".contains(&byte))
    };
    name.strip_prefix(known).is_some_and(version)
}

/// What follows these words, if `args` begin with them.
fn after<'a>(args: &'a [OsString], words: &[&str]) -> Option<&'a [OsString]> {
    let begins = args.len() >= words.len() && words.iter().zip(args).all(|(word, arg)| arg == word);
    begins.then(|| &args[words.len()..])
}

/// An interpreter's arguments: options, then a script, or `-m` and a module.
fn by_script(args: &[OsString]) -> Option<Server> {
    let mut args = args.iter().map(|arg| arg.as_bytes());
    let named = loop {
        match args.next()? {
            b"-m" => break args.next()?,
            b"-c" | b"-e" => return None,
            // Python's two options whose value is a word of its own.
            b"-X" | b"-W" => drop(args.next()),
            option if option.starts_with(b"-") => {}
            script => break script,
        }
    };
    let name = Path::new(OsStr::from_bytes(named)).file_name()?.to_str()?;
    by_name(name)
}

/// The server that begins with this line. Each is strict: an application may write about a server.
pub fn by_line(line: &[u8]) -> Option<Server> {
    let line = line.trim_ascii_end();
    let has = |text: &str| find(line, text.as_bytes()).is_some();
    let begins = |text: &str| line.starts_with(text.as_bytes());
    if begins("[") && has("] [INFO] Starting gunicorn ") {
        Some(Server::Gunicorn)
    } else if begins("*** Starting uWSGI ") {
        Some(Server::Uwsgi)
    } else if (begins("Puma starting in ") || begins("[") && has("] Puma starting in "))
        && line.ends_with(b" mode...")
    {
        Some(Server::Puma)
    } else if begins("I, [") && has(" INFO -- : ") && line.ends_with(b": worker=0 spawning...") {
        Some(Server::Unicorn)
    } else if begins("[") && has("] AH00") && has(": Apache/2.") && has(" configured -- ") {
        Some(Server::Apache)
    } else if has(" [notice] ") && has(": nginx/") {
        Some(Server::Nginx)
    } else if begins("[") && has("] NOTICE: fpm is running, pid ") {
        Some(Server::PhpFpm)
    } else if has("LOG:  starting PostgreSQL ") {
        Some(Server::Postgres)
    } else {
        None
    }
}

/// How much of a server's first output is looked at.
const BYTES: usize = 64 << 10;
const RECORDS: usize = 100;

/// Looks for a banner in the first records of the main process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    bytes: usize,
    records: usize,
    found: Option<Server>,
}

impl Watch {
    /// One that looks, or one that is over from the start.
    pub fn new(looks: bool) -> Self {
        Self {
            bytes: BYTES,
            records: if looks { RECORDS } else { 0 },
            found: None,
        }
    }

    /// Looks at a record.
    pub fn record(&mut self, record: &[u8]) {
        if self.is_over() {
            return;
        }
        let shown = &record[..record.len().min(self.bytes)];
        self.records -= 1;
        self.bytes -= shown.len();
        self.found = shown.split(|byte| *byte == b'\n').find_map(by_line);
        if self.found.is_some() {
            self.records = 0;
        }
    }

    /// The server, once, when it is found.
    pub fn found(&mut self) -> Option<Server> {
        self.found.take()
    }

    /// Whether further records say nothing.
    pub fn is_over(&self) -> bool {
        self.bytes == 0 || self.records == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Option<Server> {
        let words: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        by_command(&words)
    }

    #[test]
    fn the_command_names_its_server() {
        for (command, server) in [
            ("gunicorn -w 4 shop:app", Server::Gunicorn),
            ("/srv/venv/bin/gunicorn3", Server::Gunicorn),
            ("python -m gunicorn shop:app", Server::Gunicorn),
            (
                "/usr/bin/python3.11 -X dev -u -m gunicorn shop:app",
                Server::Gunicorn,
            ),
            ("python3 /srv/venv/bin/gunicorn shop:app", Server::Gunicorn),
            ("env A=1 B=2 gunicorn shop:app", Server::Gunicorn),
            ("poetry run gunicorn shop:app", Server::Gunicorn),
            ("uwsgi --ini x", Server::Uwsgi),
            ("uwsgi-core", Server::Uwsgi),
            ("uwsgi_python311", Server::Uwsgi),
            ("bundle exec puma -w 4", Server::Puma),
            ("ruby /usr/bin/puma", Server::Puma),
            ("unicorn_rails", Server::Unicorn),
            ("/usr/sbin/apache2 -DFOREGROUND", Server::Apache),
            ("httpd", Server::Apache),
            ("apache2-foreground", Server::Apache),
            ("nginx -g daemon", Server::Nginx),
            ("php-fpm8.2 -F", Server::PhpFpm),
            ("docker-php-entrypoint php-fpm", Server::PhpFpm),
            ("docker-entrypoint.sh postgres", Server::Postgres),
            ("/usr/lib/postgresql/15/bin/postgres -D x", Server::Postgres),
        ] {
            assert_eq!(of(command), Some(server), "{command}");
        }
    }

    #[test]
    fn other_commands_name_none() {
        for command in [
            "sh -c gunicorn",
            "gunicorn-monitor",
            "apache2ctl start",
            "python gunicorn_settings.py",
            "python -c gunicorn",
            "python -m",
            "python",
            "bundle install puma",
            "bundle",
            "nginxx",
            "",
        ] {
            assert_eq!(of(command), None, "{command}");
        }
        assert_eq!(by_command(&[]), None);
    }

    #[test]
    fn a_servers_first_line_names_it() {
        for (line, server) in [
            (
                "[2026-11-23 20:09:07 +0000] [24420] [INFO] Starting gunicorn 27.0.1",
                Server::Gunicorn,
            ),
            (
                "*** Starting uWSGI 2.0.21-debian (64bit) on [Mon Nov 23 20:05:25 2026] ***",
                Server::Uwsgi,
            ),
            ("[22923] Puma starting in cluster mode...", Server::Puma),
            ("Puma starting in single mode...", Server::Puma),
            (
                "I, [2026-11-23T20:07:02.624646 #23028]  INFO -- : worker=0 spawning...",
                Server::Unicorn,
            ),
            (
                "[Mon Nov 23 20:08:28.446172 2026] [mpm_prefork:notice] [pid 23949:tid 23949] AH00163: Apache/2.4.71 (Debian) configured -- resuming normal operations",
                Server::Apache,
            ),
            (
                "2026/11/23 20:07:10 [notice] 23161#23161: nginx/1.22.1",
                Server::Nginx,
            ),
            (
                "[23-Nov-2026 20:14:53] NOTICE: fpm is running, pid 3374",
                Server::PhpFpm,
            ),
            (
                "2026-11-23 20:14:53.120 UTC [77] LOG:  starting PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu",
                Server::Postgres,
            ),
        ] {
            assert_eq!(by_line(line.as_bytes()), Some(server), "{line}");
        }
    }

    #[test]
    fn what_speaks_of_a_server_is_none() {
        for line in [
            "",
            "Starting gunicorn 27.0.1",
            "we restart Puma starting in cluster mode...",
            "see *** Starting uWSGI 2.0",
            "[INFO] Apache/2.4 configured",
            "nginx/1.22.1",
            "LOG: starting PostgreSQL",
        ] {
            assert_eq!(by_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_banner_counts_among_the_first_records_alone() {
        let banner = b"*** Starting uWSGI 2.0 (64bit) on [Mon] ***\n";
        let mut watch = Watch::new(true);
        watch.record(b"one\ntwo\n");
        assert_eq!(watch.found(), None);
        watch.record(banner);
        assert_eq!((watch.found(), watch.found()), (Some(Server::Uwsgi), None));
        watch.record(banner);
        assert_eq!(watch.found(), None, "it is known already");
        let mut late = Watch::new(true);
        (0..RECORDS).for_each(|_| late.record(b"x\n"));
        let mut far = Watch::new(true);
        far.record(&vec![b'x'; BYTES + 1]);
        for mut watch in [late, far, Watch::new(false)] {
            watch.record(banner);
            assert_eq!(watch.found(), None);
        }
    }
}
