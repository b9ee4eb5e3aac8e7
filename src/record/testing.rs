//! Cases as text: what the tests of each language say.

use super::{Assembler, Kind, Record, Rules, Settings, Stamp};
use std::sync::Arc;
use std::time::Instant;

/// The records of `input`, pushed in pieces of `size`, and what each says of a traceback.
fn assemble(input: &[u8], size: usize) -> (Vec<String>, Vec<String>) {
    let rules = Rules::new(&Settings::default()).unwrap();
    let mut assembler = Assembler::new(Arc::new(rules));
    let (mut records, mut traces) = (Vec::new(), Vec::new());
    let mut sink = |record: &Record<'_>| {
        records.push(String::from_utf8(record.bytes.to_vec()).unwrap());
        if let Kind::Traceback(trace) = record.kind {
            let text = |bytes: Option<&[u8]>| {
                String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
            };
            traces.push(format!(
                "{} {}|{}|{}|{}|{}",
                trace.lang,
                text(trace.exception_type),
                text(trace.exception_message),
                text(trace.file),
                trace.line.map_or(String::new(), |line| line.to_string()),
                text(trace.function)
            ));
        }
    };
    let now = Stamp {
        wall_us: 1,
        at: Instant::now(),
    };
    for piece in input.chunks(size) {
        assembler.push(piece, now, &mut sink);
    }
    assembler.end(&mut sink);
    (records, traces)
}

/// Checks that `text`, without the lines `%%`, makes the records that stand between them.
#[track_caller]
pub(super) fn records(text: &str) {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let want: Vec<String> = text.split("%%\n").map(str::to_owned).collect();
    let input = want.concat();
    let (whole, traces) = assemble(input.as_bytes(), usize::MAX);
    for (got, want) in whole.iter().zip(&want) {
        assert_eq!(got, want);
    }
    assert_eq!(
        whole.len(),
        want.len(),
        "{:?}",
        &whole[whole.len().min(want.len())..]
    );
    for size in [1, 2, 3, 7, 50] {
        assert_eq!(
            assemble(input.as_bytes(), size),
            (whole.clone(), traces.clone()),
            "in pieces of {size}"
        );
    }
}

/// What the tracebacks in `text` say: `lang type|message|file|line|function`.
pub(super) fn traces(text: &str) -> Vec<String> {
    assemble(text.as_bytes(), usize::MAX).1
}
