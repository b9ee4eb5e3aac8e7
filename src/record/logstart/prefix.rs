//! Prefixes that are one program's or one logger's own.

use super::level::{Level, any_case_level, level_in};
use super::stamp::{clock, day_month, day_month_slashed, digits, iso};
use super::{Start, level_first, levelled, log};
use crate::record::line::{CLIP, Line, after, find, number};
use memchr::memchr;

/// `PHP Warning:  …`
pub(super) fn php(rest: &[u8]) -> Option<Start> {
    const WORDS: &[(&[u8], bool)] = &[
        (b"Warning:", true),
        (b"Fatal error:", true),
        (b"Parse error:", true),
        (b"Recoverable fatal error:", true),
        (b"Catchable fatal error:", true),
        (b"Notice:", false),
        (b"Deprecated:", false),
        (b"Strict Standards:", false),
        (b"User ", true),
    ];
    WORDS
        .iter()
        .find(|(word, _)| rest.starts_with(word))
        .map(|(_, high)| log(*high))
}

/// `I1123 10:00:00.000000 1234 file.go:12] text` (glog, klog, absl).
pub(super) fn glog(text: &[u8]) -> Option<Start> {
    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let time = text.get(1 + digits + 1..)?;
    let known = matches!(text[0], b'I' | b'W' | b'E' | b'F') && matches!(digits, 4 | 8);
    (known && text[1 + digits] == b' ' && clock(time).is_some()).then_some(log(text[0] != b'I'))
}

/// `12:M 23 Nov 2026 10:00:00.000 * Ready` (Redis).
pub(super) fn redis(text: &[u8]) -> Option<Start> {
    let (_, rest) = number(text)?;
    let [b':', b'M' | b'C' | b'S' | b'X', b' ', rest @ ..] = rest else {
        return None;
    };
    day_month(rest).map(|rest| log(find(rest, b" # ").is_some()))
}

/// `1371 [main] ERROR com.acme.Main - text`: Log4j's `%r`, logback's `%relative`, slf4j-simple; `1795873211748 ERROR text`.
pub(super) fn relative(text: &[u8]) -> Option<Start> {
    let (_, rest) = number(text)?;
    let epoch = (10..=13).contains(&(text.len() - rest.len()));
    let rest = rest.strip_prefix(b" ")?.trim_ascii_start();
    let Some(inner) = rest.strip_prefix(b"[") else {
        return if epoch { level_first(rest) } else { None };
    };
    let close = memchr(b']', &inner[..inner.len().min(80)])?;
    level_first(inner[close + 1..].strip_prefix(b" ")?)
}

/// `time=… level=error msg=…`, in whatever order.
pub(super) fn logfmt(text: &[u8]) -> Option<Start> {
    const FIRST: &[&[u8]] = &[
        b"level=",
        b"time=",
        b"ts=",
        b"t=",
        b"timestamp=",
        b"lvl=",
        b"at=",
    ];
    if !matches!(text[0], b'l' | b't' | b'a') || !FIRST.iter().any(|key| text.starts_with(key)) {
        return None;
    }
    let value = after(text, b"level=").or_else(|| after(text, b"lvl="))?;
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let end = value.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    any_case_level(&value[..end]).map(|level| log(level == Level::High))
}

/// `=ERROR REPORT==== 23-Nov-2026::14:37:11 ===`
pub(super) fn erlang(text: &[u8]) -> Option<Start> {
    let rest = text.strip_prefix(b"=")?;
    let end = find(rest, b" REPORT====")?;
    (end <= 12 && rest[..end].iter().all(u8::is_ascii_uppercase))
        .then(|| log(!matches!(rest[0], b'I' | b'P')))
}

/// `<11>Nov 23 …` and systemd's `<3>text`.
pub(super) fn syslog_priority(text: &[u8]) -> Option<Start> {
    let (value, rest) = number(&text[1..])?;
    (value < 192 && rest.first() == Some(&b'>')).then(|| log(value % 8 <= 4))
}

/// One JSON object on one line, as structured loggers write. A line longer than the rules see counts as one.
pub(super) fn json_object(text: &[u8]) -> Option<Start> {
    let inner = text[1..].trim_ascii_start();
    let closed = text.trim_ascii_end().ends_with(b"}") || text.len() >= CLIP;
    (closed && inner.starts_with(b"\"")).then_some(Start::Alone)
}

/// `host - user [23/Nov/2026:10:00:01 +0000] "GET …`: common log format, of whoever writes it.
pub(super) fn access(line: &Line<'_>) -> Option<Start> {
    let (host, rest) = line.text.split_at(line.word);
    if !rest.starts_with(b" ")
        || !host
            .iter()
            .all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'))
    {
        return None;
    }
    access_tail(rest)
}

/// The same with a host's name.
pub(super) fn hostname_access(line: &Line<'_>) -> Option<Start> {
    let rest = &line.text[line.word..];
    rest.starts_with(b" - ")
        .then(|| access_tail(rest))
        .flatten()
}

fn access_tail(rest: &[u8]) -> Option<Start> {
    let open = memchr(b'[', &rest[..rest.len().min(128)])?;
    day_month_slashed(&rest[open + 1..]).map(|_| Start::Alone)
}

/// `@400000005f0e1d2a1b2c3d4e …`: daemontools' multilog, runit's svlogd, s6-log.
pub(super) fn tai64(text: &[u8]) -> Option<Start> {
    let stamp = text.get(1..25)?;
    let rest = text[25..].strip_prefix(b" ")?;
    stamp
        .iter()
        .all(u8::is_ascii_hexdigit)
        .then(|| levelled(text, rest))
}

/// `[   12.345678] text`: the kernel's seconds since boot.
pub(super) fn since_boot(within: &[u8]) -> bool {
    let rest = number(within.trim_ascii_start()).and_then(|(_, rest)| rest.strip_prefix(b"."));
    rest.is_some_and(|micros| micros.len() == 6 && digits(micros))
}

/// `http: 2026/11/23 10:00:00 text`: the prefix that Go's loggers are given stands in front of the time, which is written
/// with slashes.
pub(super) fn go_prefixed(text: &[u8]) -> Option<Start> {
    let near = &text[..text.len().min(32)];
    let year = memchr(b'/', near)?.checked_sub(4)?;
    let front = text[..year].strip_suffix(b" ")?;
    let rest = iso(&text[year..])?;
    let timed = text.get(year + 10) == Some(&b' ') && text.get(year + 13) == Some(&b':');
    (timed && memchr(b' ', front).is_none()).then(|| levelled(text, rest))
}

/// `[GIN] 2026/11/23 - 10:00:00 | 200 |`, and what gin says when it starts.
pub(super) fn gin(within: &[u8], rest: &[u8]) -> Option<Start> {
    match within {
        b"GIN" => iso(rest.strip_prefix(b" ")?).map(|_| log(false)),
        b"GIN-debug" => Some(log(false)),
        _ => None,
    }
}

/// `[E 261123 10:00:00 web:1789] text`
pub(super) fn tornado(within: &[u8]) -> Option<Start> {
    let [letter @ (b'D' | b'I' | b'W' | b'E' | b'C'), b' ', rest @ ..] = within else {
        return None;
    };
    let (_, rest) = number(rest)?;
    clock(rest.strip_prefix(b" ")?).map(|_| log(!matches!(letter, b'D' | b'I')))
}

/// `[Nest] 15488  - 11/28/2026, 1:48:04 PM   ERROR [Orders] text`
pub(super) fn nest(within: &[u8], rest: &[u8]) -> Option<Start> {
    let (_, rest) = number(rest.strip_prefix(b" ")?)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"- ")?;
    let dated = matches!(within.first(), Some(b'A'..=b'Z' | b'a'..=b'z'))
        && rest.first().is_some_and(u8::is_ascii_digit);
    let (level, _) = level_in(rest).filter(|_| dated)?;
    Some(log(level == Level::High))
}

/// `[src/main.rs:11:20] expression = …`
pub(super) fn dbg_place(within: &[u8], rest: &[u8]) -> Option<Start> {
    let (_, place) = number(after(within, b".rs:")?)?;
    let columns = place.is_empty() || number(place.strip_prefix(b":")?)?.1.is_empty();
    (columns && rest.starts_with(b" ")).then_some(log(false))
}

/// `Nov 23, 2026 2:29:45 PM com.acme.Main method`: class and method end the line, the level is on the next.
pub(super) fn java_util_logging(text: &[u8]) -> bool {
    let Some(rest) = after(text, b"M ") else {
        return false;
    };
    let comma = text.get(6) == Some(&b',') || text.get(5) == Some(&b',');
    comma && rest.len() < 256 && memchr(b':', rest).is_none()
}
