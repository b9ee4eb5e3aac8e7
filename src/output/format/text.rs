//! Text inside a quoted form: JSON strings, base64. Shared by the formats that quote.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Bytes as a JSON string; what is not UTF-8 becomes U+FFFD, and the answer is false.
pub(super) fn json_text(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let text = String::from_utf8_lossy(bytes);
    json_string(&text, out);
    matches!(text, Cow::Borrowed(_))
}

/// Text as a JSON string, with its quotes.
pub(super) fn json_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a str into a Vec: neither can fail");
}

/// Appends base64 (RFC 4648, with padding) without a buffer of its own.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[begin..]);
    written.expect("the room is what padded base64 takes");
}
