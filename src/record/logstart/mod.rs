//! Lines that certainly begin a record: those with a logger's prefix, access lines, JSON objects.

#[cfg(test)]
mod tests;

use super::language::Shape;
use super::line::{Line, after, number};
use super::rules::Set;
use memchr::{memchr, memmem};

/// What a prefixed line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// An access line or a JSON object: complete as it stands.
    Alone,
    /// A logger's line.
    Log(Log),
}

/// What is known of a logger's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Log {
    /// WARNING or worse: a traceback may follow in the same call.
    pub(super) high: bool,
    pub(super) pair: Pair,
    /// How sure it is to be a traceback's head as well, if more than [`Shape::Brief`]; the message may have further lines
    /// before that goes on.
    pub(super) head: Shape,
    /// Of which languages.
    pub(super) heads: Set,
}

/// java.util.logging writes two lines: when and where, then the level and the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pair {
    /// Neither.
    #[default]
    No,
    /// Only the first of two.
    First,
    /// A level word and text: the second, if the first is open.
    Second,
}

/// How grave a level word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Low,
    High,
}

/// Digits of an epoch in seconds, and in milliseconds.
const SECONDS: usize = 10;
const MILLISECONDS: usize = 13;

/// Months, as every C library, Java and Go write them.
const MONTHS: &[&[u8; 3]] = &[
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const DAYS: &[&[u8; 3]] = &[b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// A timestamp's length, and what stands behind it.
type Rest<'a> = Option<&'a [u8]>;

/// Whether `line` begins a record by itself.
pub(super) fn log_start(line: &Line<'_>) -> Option<Start> {
    let text = line.text;
    match line.indent {
        0 => {}
        // Log4j's %5p and Ruby's formatter pad a short level to five columns.
        1 => return padded_level(&text[1..]),
        9..=24 => return level_column(line.body()),
        // tracing's pretty format begins so, and indents what it says further by four.
        2 => {
            return iso(&text[2..])
                .filter(|_| text.get(12) == Some(&b'T'))
                .and_then(|rest| level_in(rest).map(|(level, _)| log(level == Level::High)));
        }
        _ => return None,
    }
    match *text.first()? {
        b'0'..=b'9' => access(line)
            .or_else(|| stamped(text))
            .or_else(|| redis(text))
            .or_else(|| relative(text)),
        b'[' => bracketed(text),
        b'@' => tai64(text),
        b'{' => json_object(text),
        b'=' => erlang(text),
        b'<' => syslog_priority(text),
        b'(' => timestamp(&text[1..])
            .map(|rest| levelled(text, rest))
            .or_else(|| stamped_behind(after(text, b") ")?.trim_ascii_start(), None)),
        b':' => access(line),
        b'A'..=b'Z' => capital(line),
        b'a'..=b'z' => small(line),
        _ => None,
    }
}

fn capital(line: &Line<'_>) -> Option<Start> {
    let text = line.text;
    if text.len() < 4 {
        return None;
    }
    // Ruby's Logger: `E, [2026-11-23T10:00:00.000000 #123] ERROR -- : `.
    if text[1] == b',' {
        let high = matches!(text[0], b'W' | b'E' | b'F' | b'A');
        return (text.starts_with(&[text[0], b',', b' ', b'['])
            && text.get(4).is_some_and(u8::is_ascii_digit))
        .then_some(log(high));
    }
    if text[1].is_ascii_digit() {
        return glog(text);
    }
    if text[1].is_ascii_lowercase() {
        return stamped(text)
            .or_else(|| hostname_access(line))
            .or_else(|| named(line));
    }
    if let Some(rest) = text.strip_prefix(b"PHP ") {
        return php(rest);
    }
    level_first(text).or_else(|| named(line))
}

fn small(line: &Line<'_>) -> Option<Start> {
    let text = line.text;
    logfmt(text)
        .or_else(|| small_level(text))
        .or_else(|| go_prefixed(text))
        .or_else(|| level_then_stamp(line))
        .or_else(|| hostname_access(line))
        .or_else(|| named(line))
}

fn log(high: bool) -> Start {
    Start::Log(Log {
        high,
        ..Log::default()
    })
}

/// ` WARN [main] …`
fn padded_level(text: &[u8]) -> Option<Start> {
    let end = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let level = level_word(&text[..end])?;
    matches!(text.get(end), Some(b' ' | b':')).then_some(log(level == Level::High))
}

/// rich's handler leaves the time's column empty within one second, and gives the level one of eight.
fn level_column(text: &[u8]) -> Option<Start> {
    let column = text.get(..9).filter(|column| column[8] == b' ')?;
    let level = level_word(column.trim_ascii_end())?;
    text.get(9)
        .is_some_and(|b| *b != b' ')
        .then_some(log(level == Level::High))
}

/// `ERROR:root:text`, `WARNING text`, `FATAL: text`; upper case, as a sentence may begin with `Error`.
fn level_first(text: &[u8]) -> Option<Start> {
    let end = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    // logrus on a terminal cuts levels to four letters: `ERRO[0012] text`.
    let cut = || short_level(&text[..end]).filter(|_| text.get(end) == Some(&b'['));
    let level = level_word(&text[..end]).or_else(cut)?;
    // PostgreSQL writes two spaces; with one it is AddressSanitizer's, inside a report.
    if text.starts_with(b"HINT: ") && !text.starts_with(b"HINT:  ") {
        return None;
    }
    let colon = match text.get(end) {
        // libpq's `DETAIL:  ` and its like are further lines of a message.
        Some(b':') if level == Level::Low && libpq(text) => return None,
        Some(b':') => true,
        None | Some(b' ' | b'\t' | b'[' | b'|' | b'-' | b'/' | b'(') => false,
        Some(_) => return None,
    };
    Some(Start::Log(Log {
        high: level == Level::High,
        pair: if colon { Pair::Second } else { Pair::No },
        ..Log::default()
    }))
}

/// A logger's or a program's name before what shows a logger: `Main  2026-11-23 10:00:00 +0000 ERROR: text`,
/// `shop.db - ERROR - text`, `shop.db:ERROR:text`, `db.py:12 ERROR text`.
fn named(line: &Line<'_>) -> Option<Start> {
    let (name, rest) = line.text.split_at(line.word);
    let rest = rest.trim_ascii_start();
    match rest.first() {
        Some(b'0'..=b'9' | b'|') if !name.ends_with(b":") => stamped_behind(rest, letter(name)),
        Some(b'-') => level_between(rest.strip_prefix(b"- ")?, b" - "),
        Some(b'A'..=b'Z') if line.odd && behind_place(name) => level_between(rest, b" "),
        _ if line.odd => level_between(&name[memchr(b':', name)? + 1..], b":"),
        _ => None,
    }
}

/// Date, time and level, close together.
fn stamped_behind(rest: &[u8], before: Option<Level>) -> Option<Start> {
    let rest = rest.strip_prefix(b"|").unwrap_or(rest);
    let dated = rest.len() > 10 && matches!(rest[4], b'-' | b'/');
    let rest = iso(rest).filter(|behind| dated && rest.len() - behind.len() > 10)?;
    let within = || level_in(rest).filter(|(_, end)| *end <= 40).map(|l| l.0);
    before
        .or_else(within)
        .map(|level| log(level == Level::High))
}

/// A level's first letter.
fn letter(name: &[u8]) -> Option<Level> {
    match name {
        b"D" | b"I" => Some(Level::Low),
        b"W" | b"E" | b"C" => Some(Level::High),
        _ => None,
    }
}

/// A level in capitals, with `behind` behind it.
fn level_between(text: &[u8], behind: &[u8]) -> Option<Start> {
    let end = text.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let level = level_word(&text[..end])?;
    (text[end..].starts_with(behind)).then_some(log(level == Level::High))
}

/// `db.py:12`
fn behind_place(name: &[u8]) -> bool {
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let before = &name[..name.len() - digits];
    digits > 0 && before.len() > 1 && before.ends_with(b":")
}

/// What libpq puts behind an error's first line.
pub(super) fn libpq(text: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"DETAIL:  ", b"HINT:  ", b"CONTEXT:  ", b"QUERY:  "];
    WORDS.iter().any(|word| text.starts_with(word))
}

/// `error: text`: .NET's console logger, git, winston.
fn small_level(text: &[u8]) -> Option<Start> {
    const WORDS: &[(&[u8], bool)] = &[
        (b"error", true),
        (b"fail", true),
        (b"fatal", true),
        (b"crit", true),
        (b"critical", true),
        (b"warn", true),
        (b"warning", true),
        (b"info", false),
        (b"debug", false),
        (b"dbug", false),
        (b"trce", false),
        (b"trace", false),
        (b"verbose", false),
    ];
    if !matches!(
        text[0],
        b'e' | b'f' | b'c' | b'w' | b'i' | b'd' | b't' | b'v'
    ) {
        return None;
    }
    let end = text
        .iter()
        .take(9)
        .take_while(|b| b.is_ascii_lowercase())
        .count();
    // Go's runtime says `fatal error:`, which is no level.
    if text.get(end) != Some(&b':') || !matches!(text.get(end + 1), None | Some(b' ' | b'\t')) {
        return None;
    }
    WORDS
        .iter()
        .find(|(word, _)| *word == &text[..end])
        .map(|(_, high)| log(*high))
}

/// `error 2026-11-23 10:00:00 text`
fn level_then_stamp(line: &Line<'_>) -> Option<Start> {
    let (word, rest) = line.text.split_at(line.word);
    let stamp = rest.strip_prefix(b" ")?;
    timestamp(stamp.strip_prefix(b"[").unwrap_or(stamp))?;
    any_case_level(word).map(|level| log(level == Level::High))
}

/// `PHP Warning:  …`
fn php(rest: &[u8]) -> Option<Start> {
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
fn glog(text: &[u8]) -> Option<Start> {
    let digits = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    let time = text.get(1 + digits + 1..)?;
    let known = matches!(text[0], b'I' | b'W' | b'E' | b'F') && matches!(digits, 4 | 8);
    (known && text[1 + digits] == b' ' && clock(time).is_some()).then_some(log(text[0] != b'I'))
}

/// `12:M 23 Nov 2026 10:00:00.000 * Ready` (Redis).
fn redis(text: &[u8]) -> Option<Start> {
    let (_, rest) = number(text)?;
    let [b':', b'M' | b'C' | b'S' | b'X', b' ', rest @ ..] = rest else {
        return None;
    };
    day_month(rest).map(|rest| log(memmem::find(rest, b" # ").is_some()))
}

/// `1371 [main] ERROR com.acme.Main - text`: Log4j's `%r`, logback's `%relative`, slf4j-simple; `1795873211748 ERROR text`.
fn relative(text: &[u8]) -> Option<Start> {
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
fn logfmt(text: &[u8]) -> Option<Start> {
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
fn erlang(text: &[u8]) -> Option<Start> {
    let rest = text.strip_prefix(b"=")?;
    let end = memmem::find(rest, b" REPORT====")?;
    (end <= 12 && rest[..end].iter().all(u8::is_ascii_uppercase))
        .then(|| log(!matches!(rest[0], b'I' | b'P')))
}

/// `<11>Nov 23 …` and systemd's `<3>text`.
fn syslog_priority(text: &[u8]) -> Option<Start> {
    let (value, rest) = number(&text[1..])?;
    (value < 192 && rest.first() == Some(&b'>')).then(|| log(value % 8 <= 4))
}

/// One JSON object on one line, as structured loggers write. A line longer than the rules see counts as one.
fn json_object(text: &[u8]) -> Option<Start> {
    let inner = text[1..].trim_ascii_start();
    let closed = text.trim_ascii_end().ends_with(b"}") || text.len() >= super::line::CLIP;
    (closed && inner.starts_with(b"\"")).then_some(Start::Alone)
}

/// `host - user [23/Nov/2026:10:00:01 +0000] "GET …`: common log format, of whoever writes it.
fn access(line: &Line<'_>) -> Option<Start> {
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
fn hostname_access(line: &Line<'_>) -> Option<Start> {
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
fn tai64(text: &[u8]) -> Option<Start> {
    let stamp = text.get(1..25)?;
    let rest = text[25..].strip_prefix(b" ")?;
    stamp
        .iter()
        .all(u8::is_ascii_hexdigit)
        .then(|| levelled(text, rest))
}

/// `[   12.345678] text`: the kernel's seconds since boot.
fn since_boot(within: &[u8]) -> bool {
    let rest = number(within.trim_ascii_start()).and_then(|(_, rest)| rest.strip_prefix(b"."));
    rest.is_some_and(|micros| micros.len() == 6 && digits(micros))
}

/// `[…`: a stamp or a level in brackets, uWSGI's request line, Rust's `dbg!`.
fn bracketed(text: &[u8]) -> Option<Start> {
    let inner = &text[1..];
    if inner.starts_with(b"pid: ") {
        return Some(Start::Alone);
    }
    if let Some(rest) = timestamp(inner) {
        return Some(levelled(inner, rest));
    }
    let close = memchr(b']', &inner[..inner.len().min(80)])?;
    let within = inner[..close].trim_ascii();
    if let Some(level) = any_case_level(within) {
        return Some(log(level == Level::High));
    }
    let rest = &inner[close + 1..];
    if since_boot(within) {
        return Some(levelled(inner, rest));
    }
    // slf4j-simple: `[main] ERROR com.acme.Main - text`.
    let levelled = || rest.strip_prefix(b" ").and_then(level_first);
    tornado(within)
        .or_else(|| nest(within, rest))
        .or_else(|| gin(within, rest))
        .or_else(|| dbg_place(within, rest))
        .or_else(levelled)
}

/// `http: 2026/11/23 10:00:00 text`: the prefix that Go's loggers are given stands in front of the time, which is written
/// with slashes.
fn go_prefixed(text: &[u8]) -> Option<Start> {
    let near = &text[..text.len().min(32)];
    let year = memchr(b'/', near)?.checked_sub(4)?;
    let front = text[..year].strip_suffix(b" ")?;
    let rest = iso(&text[year..])?;
    let timed = text.get(year + 10) == Some(&b' ') && text.get(year + 13) == Some(&b':');
    (timed && memchr(b' ', front).is_none()).then(|| levelled(text, rest))
}

/// `[GIN] 2026/11/23 - 10:00:00 | 200 |`, and what gin says when it starts.
fn gin(within: &[u8], rest: &[u8]) -> Option<Start> {
    match within {
        b"GIN" => iso(rest.strip_prefix(b" ")?).map(|_| log(false)),
        b"GIN-debug" => Some(log(false)),
        _ => None,
    }
}

/// `[E 261123 10:00:00 web:1789] text`
fn tornado(within: &[u8]) -> Option<Start> {
    let [letter @ (b'D' | b'I' | b'W' | b'E' | b'C'), b' ', rest @ ..] = within else {
        return None;
    };
    let (_, rest) = number(rest)?;
    clock(rest.strip_prefix(b" ")?).map(|_| log(!matches!(letter, b'D' | b'I')))
}

/// `[Nest] 15488  - 11/28/2026, 1:48:04 PM   ERROR [Orders] text`
fn nest(within: &[u8], rest: &[u8]) -> Option<Start> {
    let (_, rest) = number(rest.strip_prefix(b" ")?)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"- ")?;
    let dated = matches!(within.first(), Some(b'A'..=b'Z' | b'a'..=b'z'))
        && rest.first().is_some_and(u8::is_ascii_digit);
    let (level, _) = level_in(rest).filter(|_| dated)?;
    Some(log(level == Level::High))
}

/// `[src/main.rs:11:20] expression = …`
fn dbg_place(within: &[u8], rest: &[u8]) -> Option<Start> {
    let (_, place) = number(after(within, b".rs:")?)?;
    let columns = place.is_empty() || number(place.strip_prefix(b":")?)?.1.is_empty();
    (columns && rest.starts_with(b" ")).then_some(log(false))
}

/// A line that begins with a timestamp.
fn stamped(text: &[u8]) -> Option<Start> {
    let rest = timestamp(text)?;
    if text[0].is_ascii_alphabetic() && java_util_logging(text) && level_in(rest).is_none() {
        return Some(Start::Log(Log {
            pair: Pair::First,
            ..Log::default()
        }));
    }
    Some(levelled(text, rest))
}

/// `Nov 23, 2026 2:29:45 PM com.acme.Main method`: class and method end the line, the level is on the next.
fn java_util_logging(text: &[u8]) -> bool {
    let Some(rest) = after(text, b"M ") else {
        return false;
    };
    let comma = text.get(6) == Some(&b',') || text.get(5) == Some(&b',');
    comma && rest.len() < 256 && memchr(b':', rest).is_none()
}

/// A stamped line with its level, or, without any, judged by what it says.
fn levelled(text: &[u8], rest: &[u8]) -> Start {
    let high = match level_in(rest) {
        Some((level, _)) => level == Level::High,
        None => reports_error(rest),
    };
    if rest.starts_with(b"] \"") && day_month_slashed(text).is_some() {
        return Start::Alone;
    }
    log(high)
}

/// Words that make a line without a level one that a traceback may follow. Go programs tell of a panic they survived
/// in one call, and print the stack in another.
fn reports_error(rest: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"rror",
        b"xception",
        b"failed",
        b"Failed",
        b"failure",
        b"Failure",
        b"panic",
        b"fatal",
        b"Fatal",
    ];
    let rest = &rest[..rest.len().min(512)];
    let has = |word: &[u8]| memmem::find(rest, word).is_some();
    // gin tells of it in the same call.
    let survived = has(b"recovered") && !rest.ends_with(b"panic recovered:");
    hints_at_error(rest) && WORDS.iter().any(|word| has(word)) && !survived
}

/// Whether two bytes of such a word stand in `rest`: without a branch, so that the compiler makes it wide.
#[allow(clippy::needless_bitwise_bool)]
fn hints_at_error(rest: &[u8]) -> bool {
    let pair = |(a, b): (&u8, &u8)| {
        let (a, b) = (*a | 0x20, *b);
        (a == b'r') & (b == b'r')
            | (a == b'x') & (b == b'c')
            | (a == b'f') & (b == b'a')
            | (a == b'p') & (b == b'a')
    };
    rest.iter()
        .zip(rest.get(1..).unwrap_or_default())
        .fold(false, |hit, bytes| hit | pair(bytes))
}

/// A date, or a date and a time, at the front of `text`; what follows it.
fn timestamp(text: &[u8]) -> Rest<'_> {
    match text.first()? {
        b'0'..=b'9' => iso(text)
            .or_else(|| day_month_slashed(text))
            .or_else(|| day_month(text))
            .or_else(|| bare_clock(text))
            .or_else(|| numeric_date(text))
            .or_else(|| short_date(text))
            .or_else(|| epoch(text)),
        b'A'..=b'Z' => month_day(text).or_else(|| weekday(text)),
        _ => None,
    }
}

/// `2026-11-23`, `2026/11/23`, `2026.11.23`, with a time or not; `20261123T100000`, `20261123 10:00:00`.
fn iso(text: &[u8]) -> Rest<'_> {
    if text.len() < 10 || !digits(&text[..4]) {
        return None;
    }
    if digits(&text[4..8]) {
        // `20261128100000`
        let whole = text.len() > 14 && digits(&text[8..14]) && !text[14].is_ascii_digit();
        if !month_number(&text[4..6]) {
            return None;
        }
        if whole {
            return Some(&text[14..]);
        }
        let rest = text[8..]
            .strip_prefix(b"T")
            .or_else(|| text[8..].strip_prefix(b" "))
            .or_else(|| text[8..].strip_prefix(b"-"))?;
        return clock(rest).or_else(|| (rest.len() >= 6 && digits(&rest[..6])).then(|| &rest[6..]));
    }
    let sep = text[4];
    let shape = matches!(sep, b'-' | b'/' | b'.')
        && text[7] == sep
        && digits(&text[5..7])
        && digits(&text[8..10]);
    let rest = &text[10..];
    if !shape {
        return None;
    }
    match rest.first() {
        Some(b'T' | b' ' | b'_') => clock(&rest[1..]).or(Some(rest)),
        Some(b'0'..=b'9') => None,
        _ => Some(rest),
    }
}

/// `28.11.2026 10:00:00`, `11/28/2026, 10:00:00 AM`, `28/11/26 10:00:00`, logcat's `11-28 10:00:00.123`: with a time always.
fn numeric_date(text: &[u8]) -> Rest<'_> {
    let (day, rest) = number(text).filter(|(day, _)| *day <= 31)?;
    let sep = *rest.first().filter(|b| matches!(b, b'.' | b'/' | b'-'))?;
    let (month, rest) = number(&rest[1..]).filter(|(month, _)| *month <= 31)?;
    let rest = match rest.strip_prefix(&[sep]) {
        Some(year) => {
            let n = year.iter().take_while(|b| b.is_ascii_digit()).count();
            year.get(n..).filter(|_| matches!(n, 2 | 4))?
        }
        None => Some(rest).filter(|_| sep == b'-')?,
    };
    let rest = rest.strip_prefix(b",").unwrap_or(rest).strip_prefix(b" ")?;
    (day.min(month) <= 12)
        .then(|| clock(rest))
        .flatten()
        .map(behind_half)
}

/// `261128 10:00:00`, older MySQL's, which pads the hour with a space; `28 Nov 10:00:00`.
fn short_date(text: &[u8]) -> Rest<'_> {
    if text.len() > 7 && digits(&text[..6]) && text[6] == b' ' {
        return clock(text[7..].strip_prefix(b" ").unwrap_or(&text[7..]));
    }
    let (day, rest) = number(text).filter(|(day, _)| *day <= 31)?;
    let named = day > 0 && rest.first() == Some(&b' ') && rest.len() > 5 && month(&rest[1..]);
    named
        .then(|| clock(rest[4..].strip_prefix(b" ")?))
        .flatten()
}

/// `1795873371.794 …`; without a fraction only in front of a level, as any number may begin a line.
fn epoch(text: &[u8]) -> Rest<'_> {
    let n = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if !matches!(n, SECONDS | MILLISECONDS) || text[0] != b'1' {
        return None;
    }
    let fraction = text[n..].strip_prefix(b".").unwrap_or_default();
    let m = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    if n == SECONDS && m >= 3 {
        let rest = &fraction[m..];
        let ends = matches!(
            rest.first(),
            Some(b' ' | b']' | b'\t' | b':' | b'|' | b';' | b',')
        );
        return ends.then_some(rest);
    }
    let rest = &text[n..];
    let level = || level_in(rest).is_some_and(|(_, end)| end <= 16);
    (matches!(rest.first(), Some(b' ' | b']' | b'\t' | b'|' | b';' | b',')) && level())
        .then_some(rest)
}

/// `23/Nov/2026`, with a time behind `:` or a space.
fn day_month_slashed(text: &[u8]) -> Rest<'_> {
    day_month_by(text, b'/')
}

/// `23-Nov-2026 14:32:02`, `23 Nov 2026 10:00:00`.
fn day_month(text: &[u8]) -> Rest<'_> {
    day_month_by(text, b'-').or_else(|| day_month_by(text, b' '))
}

fn day_month_by(text: &[u8], sep: u8) -> Rest<'_> {
    let day = text
        .iter()
        .take(3)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let rest = text.get(day..)?;
    let shape = matches!(day, 1 | 2) && rest.len() >= 9 && rest[0] == sep && rest[4] == sep;
    if !shape || !month(&rest[1..]) || !digits(&rest[5..9]) {
        return None;
    }
    let rest = &rest[9..];
    match rest.first() {
        Some(b' ' | b':') => clock(&rest[1..])
            .or_else(|| clock(rest.get(2..)?))
            .or(Some(rest)),
        _ => Some(rest),
    }
}

/// `Nov 23 10:00:00`, `Nov 23, 2026 2:29:45 PM`.
fn month_day(text: &[u8]) -> Rest<'_> {
    if !month(text) || text.get(3) != Some(&b' ') {
        return None;
    }
    let rest = text[4..].trim_ascii_start();
    let (day, rest) = number(rest)?;
    if day > 31 {
        return None;
    }
    let rest = match rest.strip_prefix(b",") {
        Some(rest) => number(rest.trim_ascii_start())?.1,
        // `Nov 28 2026 10:00:00`, of network devices.
        None => year_behind(rest).unwrap_or(rest),
    };
    clock(rest.strip_prefix(b",").unwrap_or(rest).strip_prefix(b" ")?).map(behind_half)
}

/// What follows `AM` or `PM`, if that does.
fn behind_half(rest: &[u8]) -> &[u8] {
    match rest {
        [b' ', b'A' | b'P', b'M', behind @ ..] => behind,
        _ => rest,
    }
}

fn year_behind(rest: &[u8]) -> Rest<'_> {
    let year = rest.get(1..5).filter(|year| digits(year))?;
    (rest[0] == b' ' && rest.get(5) == Some(&b' ') && year[0] == b'2').then(|| &rest[5..])
}

/// `Mon Nov 23 14:31:51 2026`, `Mon, 23 Nov 2026 …`.
fn weekday(text: &[u8]) -> Rest<'_> {
    if text.len() < 8 || !DAYS.iter().any(|d| text.starts_with(*d)) {
        return None;
    }
    let rest = &text[3..];
    let rest = rest.strip_prefix(b",").unwrap_or(rest).strip_prefix(b" ")?;
    month_day(rest).or_else(|| day_month(rest))
}

/// `10:00:00.000 ` or `10:00:00 `: Elixir's and logback's default.
fn bare_clock(text: &[u8]) -> Rest<'_> {
    let rest = clock(text).or_else(|| kitchen(text))?;
    matches!(rest.first(), Some(b' ' | b']' | b'\t' | b'|' | b';' | b')')).then_some(rest)
}

/// `3:04PM`: zerolog's console.
fn kitchen(text: &[u8]) -> Rest<'_> {
    let (hour, rest) = number(text)?;
    let [b':', a, b, b'A' | b'P', b'M', rest @ ..] = rest else {
        return None;
    };
    (hour <= 12 && digits(&[*a, *b])).then_some(rest)
}

/// `10:00:00`, with fractions and an offset or not; what follows.
fn clock(text: &[u8]) -> Rest<'_> {
    let hour = text
        .iter()
        .take(3)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let rest = text.get(hour..)?;
    let shape = matches!(hour, 1 | 2) && rest.len() >= 6 && rest[0] == b':' && rest[3] == b':';
    if !shape || !digits(&rest[1..3]) || !digits(&rest[4..6]) {
        return None;
    }
    let rest = &rest[6..];
    let n = rest
        .iter()
        .take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'Z' | b'+'))
        .count();
    Some(&rest[n..])
}

fn digits(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
}

/// `01` to `12`
fn month_number(text: &[u8]) -> bool {
    matches!(text, [b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2'])
}

fn month(text: &[u8]) -> bool {
    MONTHS.iter().any(|m| text.starts_with(*m))
}

/// How many bytes of `text` alone decide that it is a stamped line of its level, whatever follows, and whichever digits stand
/// in them. Only for a date that begins with the year, where no rule asks for a number's size.
pub(super) fn decisive(text: &[u8]) -> Option<usize> {
    let inner = text.strip_prefix(b"[").unwrap_or(text);
    // A date with dots may be an address at the front of an access line.
    let dated = matches!(inner.get(4), Some(b'-' | b'/'));
    let rest = iso(inner).filter(|_| dated)?;
    let (_, end) = level_in(rest)?;
    let len = text.len() - rest.len() + end;
    // With the byte behind the word, which says that the word ends. Where that is a space, more may have been looked at.
    let behind = text.get(len)?;
    (*behind != b' ' || text[len - 1].is_ascii_uppercase()).then_some(len + 1)
}

/// The level among the first words behind a stamp, and where its word ends: upper case anywhere; any case inside brackets,
/// before a colon, or behind `level=`, where a sentence does not put it.
fn level_in(rest: &[u8]) -> Option<(Level, usize)> {
    let rest = &rest[..rest.len().min(112)];
    let (mut i, mut words) = (0, 0);
    while i < rest.len() && words < 9 {
        if !rest[i].is_ascii_alphabetic() {
            i += 1;
            continue;
        }
        let n = rest[i..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        let level = match (words, level_at(rest, i, n)) {
            // The first word may be one in any case.
            (0, None) if apart(rest, i, i + n) => any_case_level(&rest[i..i + n]),
            (_, level) => level,
        };
        if let Some(level) = level {
            return Some((level, i + n));
        }
        words += 1;
        i += n;
    }
    None
}

fn level_at(rest: &[u8], i: usize, n: usize) -> Option<Level> {
    if !(3..=11).contains(&n) {
        return None;
    }
    let word = &rest[i..i + n];
    if word[1].is_ascii_uppercase() {
        return level_word(word).or_else(|| short_level(word));
    }
    let behind = rest.get(i + n);
    let front = i.checked_sub(1).map(|i| rest[i]);
    let enclosed = matches!(
        (front, behind),
        (
            Some(b'[' | b'(' | b'<' | b'|' | b':' | b'.'),
            Some(b']' | b')' | b'>' | b'|')
        )
    );
    let labelled = behind == Some(&b':') || front == Some(b'=');
    (enclosed || labelled || padded(rest, i, i + n))
        .then(|| any_case_level(word))
        .flatten()
}

/// Between spaces or tabs.
fn apart(rest: &[u8], start: usize, end: usize) -> bool {
    let gap = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    gap(start.checked_sub(1).and_then(|i| rest.get(i))) && gap(rest.get(end))
}

/// `[info     ]` (structlog), `| error |`.
fn padded(rest: &[u8], start: usize, end: usize) -> bool {
    let front = rest[..start].trim_ascii_end().last();
    let behind = rest[end..].trim_ascii_start().first();
    matches!(
        (front, behind),
        (Some(b'['), Some(b']')) | (Some(b'|'), Some(b'|'))
    )
}

fn any_case_level(word: &[u8]) -> Option<Level> {
    let mut upper = [0; 11];
    let upper = upper.get_mut(..word.len())?;
    upper.copy_from_slice(word);
    upper.make_ascii_uppercase();
    level_word(upper)
}

/// What zerolog and its kin write behind the time.
fn short_level(word: &[u8]) -> Option<Level> {
    match word {
        b"TRC" | b"DBG" | b"INF" | b"DEBU" => Some(Level::Low),
        b"WRN" | b"FTL" | b"PNC" | b"ERRO" | b"FATA" | b"PANI" => Some(Level::High),
        _ => None,
    }
}

fn level_word(word: &[u8]) -> Option<Level> {
    match word {
        b"INFO" | b"DEBUG" | b"TRACE" | b"NOTICE" | b"LOG" | b"FINE" | b"FINER" | b"FINEST"
        | b"CONFIG" | b"VERBOSE" | b"SUCCESS" | b"DETAIL" | b"HINT" | b"STATEMENT"
        | b"INFORMATION" | b"CONTEXT" => Some(Level::Low),
        b"WARN" | b"WARNING" | b"ERROR" | b"ERR" | b"CRITICAL" | b"CRIT" | b"FATAL" | b"SEVERE"
        | b"ALERT" | b"EMERG" | b"EMERGENCY" | b"PANIC" | b"DPANIC" => Some(Level::High),
        _ => None,
    }
}
