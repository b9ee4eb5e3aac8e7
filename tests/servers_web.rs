//! Web servers, php-fpm and PostgreSQL under unbraid: what their profiles say is what they do, and while workers are replaced no
//! request fails.

mod support;

use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::http::Address;
use support::load::Load;
use support::site::{self, Site, file};
use support::unbraid::Unbraid;
use support::{fastcgi, log, python, wait};

const QUICK: [&str; 2] = ["--rolling-wait", "300ms"];

fn title(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// Moves a log away, asks for a reopen and waits for the log in its place.
#[track_caller]
fn reopen(site: &Site, log: &Path) {
    let moved = log.with_extension("old");
    fs::rename(log, moved).expect("the server made its log");
    site.ask("reopen");
    wait::until_true("the log anew", || log.exists());
}

fn nginx() -> Site {
    let unbraid = site::unbraid().options(QUICK);
    let folder = unbraid.folder().to_owned();
    let (socket, at) = (folder.join("socket"), folder.display());
    let bodies: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .concat();
    let config = format!(
        "daemon off; worker_processes 3; pid {at}/pid; error_log stderr notice; events {{}}\n\
         http {{ access_log {at}/access; {bodies} proxy_cache_path {at}/cache keys_zone=a:1m;\n\
         server {{ listen unix:{}; location / {{ add_header X-Pid $pid; return 200 ''; }} }} }}\n",
        socket.display()
    );
    let config = file(&folder, "nginx.conf", &config);
    // It executes the new program by the name that it was called by.
    let line = [
        "/usr/sbin/nginx".into(),
        "-c".into(),
        config.into_os_string(),
    ];
    let unbraid = unbraid.command(line);
    Site::start(unbraid, Address::Socket(socket)).counting(|pid| {
        let title = title(pid);
        title.contains("nginx: worker process") && !title.contains("shutting down")
    })
}

#[test]
fn nginx_reloads_replaces_its_workers_and_stops() {
    let site = nginx();
    // The cache's manager and loader are no workers.
    site.restart_workers(3, "/pid/");
    site.reload(3, "/pid/");
    reopen(&site, &site.running.folder().join("access"));
    site.ask("upgrade");
    site.wait_until_told("upgrade: nginx has no signal for it");
    // TERM alone would cut requests off.
    site.running.signal(Signal::SIGTERM);
    site.wait_until_told_by_server("gracefully shutting down");
    site.running.end().assert_code(0);
}

fn apache() -> Site {
    let unbraid = site::unbraid().options(QUICK);
    let folder = unbraid.folder().to_owned();
    let (at, port) = (folder.display(), site::free_port());
    let (events, release) = (unbraid.events().path().display(), folder.join("release"));
    // The script's parent is the worker.
    let answer = "printf 'Content-Type: text/plain\\r\\nX-Pid: %s\\r\\n\\r\\nwhole\\n' $PPID\n";
    file(&folder, "pid", &format!("#!/bin/sh\n{answer}"));
    let release = release.display();
    let wait = format!(
        "#!/bin/sh\necho in-flight $PPID >>{events}\nuntil [ -e {release} ]; do sleep 0.01; done\n{answer}"
    );
    file(&folder, "wait", &wait);
    let modules = ["mpm_prefork", "authz_core", "alias", "cgi"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let user = if nix::unistd::geteuid().is_root() {
        "User www-data\nGroup www-data\n"
    } else {
        ""
    };
    let config = format!(
        "ServerRoot {at}\nServerName localhost\nPidFile {at}/httpd.pid\nDefaultRuntimeDir {at}\nListen 127.0.0.1:{port}\n{modules}{user}\
         StartServers 3\nMinSpareServers 3\nMaxSpareServers 3\nErrorLog {at}/error.log\n\
         ScriptAlias / {at}/\n<Directory {at}>\nRequire all granted\n</Directory>\n"
    );
    let config = file(&folder, "httpd.conf", &config);
    let line = [
        "apache2".into(),
        "-DFOREGROUND".into(),
        "-f".into(),
        config.into_os_string(),
    ];
    Site::start(unbraid.command(line), Address::Port(port))
}

/// How many it has, Apache decides by itself.
fn new_workers_alone(site: &Site, before: &[i32]) {
    wait::until("new workers alone", || {
        let now = site.workers();
        (!now.is_empty() && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
}

#[test]
fn apache_reloads_replaces_its_workers_and_stops() {
    let site = apache();
    for task in ["reload", "restart-workers"] {
        wait::until_true("spare workers", || site.workers().len() >= 3);
        let before = site.workers();
        let load = site.load("/pid/");
        site.ask(task);
        new_workers_alone(&site, &before);
        load.more(20);
        load.end();
    }
    site.wait_until_told("restart-workers: done");
    // The graceful restart is what opens its logs again.
    let before = site.workers();
    reopen(&site, &site.running.folder().join("error.log"));
    new_workers_alone(&site, &before);
    // TERM alone would cut the request off.
    site.stop_gracefully(0);
}

struct Fpm {
    site: Site,
    socket: PathBuf,
    script: PathBuf,
}

/// The program has its version in its name.
fn newest(folder: &str, begins: &str) -> PathBuf {
    let entries = fs::read_dir(folder)
        .expect("a folder of the system")
        .flatten();
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(begins))
    };
    let found = entries.map(|entry| entry.path()).filter(named).max();
    found.unwrap_or_else(|| panic!("{folder}/{begins}* is needed"))
}

fn php_fpm() -> Fpm {
    let unbraid = site::unbraid().options(QUICK);
    let folder = unbraid.folder().to_owned();
    let (socket, at) = (folder.join("socket"), folder.display());
    let app = python::folder("servers/app.php");
    let script = file(
        &folder,
        "app.php",
        &fs::read_to_string(app).expect("the program"),
    );
    let user = if nix::unistd::geteuid().is_root() {
        "user = www-data\ngroup = www-data\n"
    } else {
        ""
    };
    // Without process_control_timeout a reload kills what is in hand.
    let config = format!(
        "[global]\npid = {at}/pid\nerror_log = {at}/error.log\nprocess_control_timeout = 60s\n\
         [www]\nlisten = {}\nlisten.mode = 0666\n{user}pm = static\npm.max_children = 3\nclear_env = no\n",
        socket.display()
    );
    let config = file(&folder, "fpm.conf", &config);
    let program = newest("/usr/sbin", "php-fpm").into_os_string();
    let line = [program, "-F".into(), "-y".into(), config.into_os_string()];
    let address = Address::Socket(socket.clone());
    let site = Site::start_only(unbraid.command(line), address)
        .counting(|pid| title(pid).contains("php-fpm: pool"));
    wait::until_true("the first answer", || {
        fastcgi::get(&socket, &script, "pid").is_ok()
    });
    Fpm {
        site,
        socket,
        script,
    }
}

impl Fpm {
    fn load(&self) -> Load {
        let (socket, script) = (self.socket.clone(), self.script.clone());
        Load::begin(2, move |_| fastcgi::get(&socket, &script, "pid"))
    }
}

#[test]
fn phpfpm_reloads_replaces_its_workers_and_stops() {
    let fpm = php_fpm();
    for task in ["reload", "restart-workers"] {
        let before = fpm.site.wait_for_workers(3);
        let load = fpm.load();
        fpm.site.ask(task);
        wait::until("new workers alone", || {
            let now = fpm.site.workers();
            (now.len() == 3 && now.iter().all(|pid| !before.contains(pid))).then_some(())
        });
        load.more(20);
        load.end();
    }
    fpm.site.wait_until_told("restart-workers: done, 3 of 3");
    reopen(&fpm.site, &fpm.site.running.folder().join("error.log"));
    // TERM alone would cut the request off.
    let (socket, script) = (fpm.socket.clone(), fpm.script.clone());
    let request = std::thread::spawn(move || fastcgi::get(&socket, &script, "wait"));
    fpm.site.running.events.wait_for("in-flight");
    fpm.site.running.signal(Signal::SIGTERM);
    wait::until_true("the end of the idle workers", || {
        fpm.site.workers().len() < 2
    });
    fpm.site.release();
    let answer = request.join().expect("no panic").expect("it is answered");
    assert_eq!(answer.status, 200);
    fpm.site.running.end().assert_code(0);
}

struct Postgres {
    site: Site,
    programs: PathBuf,
    folder: PathBuf,
}

/// It refuses to be root.
fn as_nobody() -> Vec<String> {
    if nix::unistd::geteuid().is_root() {
        let words = "setpriv --reuid=nobody --regid=nogroup --clear-groups --";
        words.split(' ').map(str::to_owned).collect()
    } else {
        Vec::new()
    }
}

fn postgres() -> Postgres {
    let unbraid = site::unbraid();
    let folder = unbraid.folder().to_owned();
    let programs = newest("/usr/lib/postgresql", "").join("bin");
    let data = folder.join("data").display().to_string();
    let program = |name: &str| programs.join(name).display().to_string();
    let initdb = program("initdb");
    let words = [
        &initdb,
        "-D",
        &data,
        "-A",
        "trust",
        "-U",
        "tester",
        "--no-sync",
        "--no-instructions",
    ];
    let line: Vec<String> = as_nobody()
        .into_iter()
        .chain(words.map(str::to_owned))
        .collect();
    let made = Command::new(&line[0])
        .args(&line[1..])
        .output()
        .expect("initdb");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let sockets = format!("unix_socket_directories={}", folder.display());
    let server = program("postgres");
    let words = [
        &server,
        "-D",
        &data,
        "-c",
        "listen_addresses=",
        "-c",
        &sockets,
    ];
    let line: Vec<String> = as_nobody()
        .into_iter()
        .chain(words.map(str::to_owned))
        .collect();
    let address = Address::Socket(folder.clone());
    let site = Site::start_only(unbraid.command(line), address);
    site.wait_until_told_by_server("database system is ready to accept connections");
    Postgres {
        site,
        programs,
        folder,
    }
}

impl Postgres {
    fn client(&self) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-A", "-t", "-U", "tester", "-d", "postgres", "-h"])
            .arg(&self.folder);
        psql
    }

    fn ask(&self, query: &str) -> String {
        let output = self.client().args(["-c", query]).output().expect("psql");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

#[test]
fn postgres_reloads_has_no_workers_to_replace_and_stops() {
    let postgres = postgres();
    let site = &postgres.site;
    // setpriv is no server's name.
    site.wait_until_told("by its output the server is postgres");
    assert_eq!(postgres.ask("show work_mem"), "4MB");
    let config = postgres.folder.join("data/postgresql.conf");
    let text = fs::read_to_string(&config).expect("initdb made it");
    fs::write(&config, text + "work_mem = 5MB\n").expect("our own folder");
    site.ask("reload");
    wait::until_true("the new setting", || postgres.ask("show work_mem") == "5MB");
    site.ask("restart-workers");
    site.wait_until_told("restart-workers: postgres has no workers that it would replace");
    // TERM alone would wait for this client.
    let mut psql = postgres.client();
    let psql = psql
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut client = psql.spawn().expect("psql");
    let clients = "select count(*) from pg_stat_activity where backend_type = 'client backend'";
    wait::until_true("a second client", || postgres.ask(clients) == "2");
    site.running.signal(Signal::SIGTERM);
    postgres.site.running.end().assert_code(0);
    drop(client.stdin.take());
    client.wait().expect("our own child");
}

#[test]
fn nginx_is_known_by_its_output() {
    let unbraid = Unbraid::logging_json().option("-v");
    let folder = unbraid.folder().to_owned();
    let config = format!(
        "daemon off; pid {}/pid; error_log stderr notice; events {{}}\n",
        folder.display()
    );
    let config = file(&folder, "nginx.conf", &config);
    let running = unbraid
        .shell(&format!("exec nginx -c {}", config.display()))
        .start();
    log::wait_for(&running.log(), "by its output the server is nginx");
    running.signal(Signal::SIGTERM);
    log::wait_for(&running.log(), "gracefully shutting down");
    running.end().assert_code(0);
}
