//! A load on a loopback port.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
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

/// One request, one connection.
pub fn get(port: u16, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(super::wait::LIMIT))?;
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

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    let length: usize = header("content-length")?.parse().ok()?;
    let pid = header("x-pid")
        .and_then(|pid| pid.parse().ok())
        .unwrap_or(0);
    (body.len() == length).then(|| Answer {
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
