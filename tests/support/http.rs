//! Requests on a loopback port or a Unix socket.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// The header `X-Pid`: who answered.
    pub pid: i32,
    pub body: String,
}

/// Where a server listens.
#[derive(Debug, Clone)]
pub enum Address {
    Port(u16),
    Socket(PathBuf),
}

impl Address {
    /// One request, one connection.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        match self {
            Self::Port(port) => get(*port, path),
            Self::Socket(socket) => {
                let stream = UnixStream::connect(socket)?;
                stream.set_read_timeout(Some(super::wait::LIMIT))?;
                ask(stream, path)
            }
        }
    }
}

/// One request, one connection.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(super::wait::LIMIT))?;
    ask(stream, path)
}

fn ask(mut stream: impl Read + Write, path: &str) -> io::Result<Answer> {
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("half an answer: {text:?}"),
        )
    })
}

/// An answer with its header; `None` if it is cut off.
pub fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let whole = match header("content-length") {
        Some(length) => length.parse() == Ok(body.len()),
        // Apache may leave it out of a script's answer.
        None => body.ends_with('\n'),
    };
    let pid = header("x-pid")
        .and_then(|pid| pid.parse().ok())
        .unwrap_or(0);
    whole.then(|| Answer {
        status,
        pid,
        body: body.to_owned(),
    })
}

/// Gets every path, several at a time; the answers come in the order of the paths.
#[track_caller]
pub fn get_all(port: u16, paths: &[String], at_once: usize) -> Vec<Answer> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(vec![None; paths.len()]);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(index) else { break };
                    let answer =
                        get(port, path).unwrap_or_else(|error| panic!("GET {path}: {error}"));
                    assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
                    answers.lock().expect("no thread panicked")[index] = Some(answer);
                }
            });
        }
    });
    answers
        .into_inner()
        .expect("no thread panicked")
        .into_iter()
        .map(|answer| answer.expect("every path"))
        .collect()
}
