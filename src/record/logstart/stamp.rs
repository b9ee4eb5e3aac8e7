//! Dates and times, as loggers write them.

use super::level::level_in;
use crate::record::line::number;

/// Digits of an epoch in seconds, and in milliseconds.
const SECONDS: usize = 10;
const MILLISECONDS: usize = 13;

/// Months, as every C library, Java and Go write them.
const MONTHS: &[&[u8; 3]] = &[
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
const DAYS: &[&[u8; 3]] = &[b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// What stands behind a timestamp.
type Rest<'a> = Option<&'a [u8]>;

/// A date, or a date and a time, at the front of `text`; what follows it.
pub(super) fn timestamp(text: &[u8]) -> Rest<'_> {
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
pub(super) fn iso(text: &[u8]) -> Rest<'_> {
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
pub(super) fn epoch(text: &[u8]) -> Rest<'_> {
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
pub(super) fn day_month_slashed(text: &[u8]) -> Rest<'_> {
    day_month_by(text, b'/')
}

/// `23-Nov-2026 14:32:02`, `23 Nov 2026 10:00:00`.
pub(super) fn day_month(text: &[u8]) -> Rest<'_> {
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
pub(super) fn clock(text: &[u8]) -> Rest<'_> {
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

pub(super) fn digits(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
}

/// `01` to `12`
fn month_number(text: &[u8]) -> bool {
    matches!(text, [b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2'])
}

fn month(text: &[u8]) -> bool {
    MONTHS.iter().any(|m| text.starts_with(*m))
}
