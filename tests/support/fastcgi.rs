//! A request to a FastCGI server, as a web server in front of it would make it.

use super::http::{self, Answer};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

const BEGIN: u8 = 1;
const END: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;

/// Asks for `script` with this query.
pub fn get(socket: &Path, script: &Path, query: &str) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(super::wait::LIMIT))?;
    let mut params = Vec::new();
    for (name, value) in [
        ("SCRIPT_FILENAME", script.to_str().expect("UTF-8")),
        ("REQUEST_METHOD", "GET"),
        ("QUERY_STRING", query),
    ] {
        params.extend([name.len() as u8, value.len() as u8]);
        params.extend(name.bytes().chain(value.bytes()));
    }
    let mut request = record(BEGIN, &[0, 1, 0, 0, 0, 0, 0, 0]);
    request.extend(record(PARAMS, &params));
    request.extend(record(PARAMS, b""));
    request.extend(record(STDIN, b""));
    stream.write_all(&request)?;
    let mut text = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let length = usize::from(head[4]) << 8 | usize::from(head[5]);
        let mut body = vec![0; length + usize::from(head[6])];
        stream.read_exact(&mut body)?;
        match head[1] {
            STDOUT => text.extend_from_slice(&body[..length]),
            END => break,
            _ => {}
        }
    }
    // A script's answer has no status line where all is well.
    let text = format!("HTTP/1.0 200 OK\r\n{}", String::from_utf8_lossy(&text));
    let cut = || {
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("half an answer: {text:?}"),
        )
    };
    http::parse(&text).ok_or_else(cut)
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    let mut record = vec![1, kind, 0, 1, length[0], length[1], 0, 0];
    record.extend_from_slice(body);
    record
}
