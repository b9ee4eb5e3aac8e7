//! The settings in force.

use super::supervision;
use crate::config::{Config, Verbosity};
use crate::output::Settings;
use crate::output::network::Remote;
use crate::output::settings::WhenSync;
use crate::output::spec::{OutputSpec, Piece, Target};
use crate::record::Languages;
use crate::units::{duration_text, size_text};

/// One line a setting, as a user would write it; those that are off by default only where they are set.
pub(super) fn list(config: &Config) -> Vec<String> {
    let records = match &config.records.languages {
        Languages::Auto => "auto".to_owned(),
        Languages::Lines => "lines".to_owned(),
        Languages::Only(names) => names.join(","),
    };
    let mut list = vec![
        format!("name = {}", config.name),
        format!("records = {records}"),
        format!(
            "record-timeout = {}",
            duration_text(config.records.record_timeout)
        ),
        format!(
            "line-timeout = {}",
            config
                .records
                .line_timeout
                .map_or_else(|| "off".into(), duration_text)
        ),
        format!(
            "max-record = {}",
            size_text(config.records.max_record as u64)
        ),
        format!("max-memory = {}", size_text(config.max_memory as u64)),
        format!("unbuffered = {}", config.unbuffered),
    ];
    list.extend(match config.verbosity {
        Verbosity::Quiet => Some("quiet = true".to_owned()),
        Verbosity::Normal => None,
        Verbosity::Verbose => Some("verbose = true".to_owned()),
    });
    let object = config.preload.iter();
    list.extend(object.map(|path| format!("preload = {}", path.display())));
    list.extend(
        config
            .records
            .record_start
            .iter()
            .map(|regex| format!("record-start = {regex}")),
    );
    list.extend(files(&config.files));
    list.extend(supervision::settings(config));
    // The same for each destination.
    let style = config.outputs.first().map(|spec| &spec.style);
    list.extend(style.map(|style| format!("time = {}", style.time)));
    let template = style.and_then(|style| style.template.as_ref());
    list.extend(template.map(|template| format!("template = {}", template.text())));
    list.extend(
        config
            .outputs
            .iter()
            .map(|spec| format!("output = {}", output(spec))),
    );
    list
}

/// Rotation, exclusive access, and what is done when a destination is full.
fn files(settings: &Settings) -> Vec<String> {
    let Settings { rotation, sync, .. } = settings;
    let mut list = vec![
        format!("lock = {}", settings.lock),
        format!("when-full = {}", settings.when_full.name()),
        match sync {
            WhenSync::Never => "sync = never".to_owned(),
            WhenSync::Rotate => "sync = rotate".to_owned(),
            WhenSync::Every(span) => format!("sync = {}", duration_text(*span)),
        },
    ];
    let rotation = [
        rotation
            .size
            .map(|n| format!("rotate-size = {}", size_text(n))),
        rotation
            .every
            .map(|every| format!("rotate-every = {}", duration_text(every.length()))),
        rotation.keep.map(|n| format!("keep = {n}")),
        rotation
            .keep_for
            .map(|span| format!("keep-for = {}", duration_text(span))),
        rotation
            .compress
            .map(|kind| format!("compress = {}", kind.name())),
    ];
    list.extend(rotation.into_iter().flatten());
    list
}

fn output(spec: &OutputSpec) -> String {
    let target = match &spec.target {
        Target::Stdout => "stdout".to_owned(),
        Target::Stderr => "stderr".to_owned(),
        Target::File(path) => path.display().to_string(),
        Target::Template(template) => template.pieces.iter().map(piece).collect(),
        Target::Network(remote) => remote.peer.to_string(),
    };
    let mut text = match &spec.target {
        Target::Network(_) => target,
        _ => format!("{}:{target}", spec.style.format),
    };
    text.extend(
        spec.filter
            .streams
            .iter()
            .map(|s| format!(",stream={}", s.name())),
    );
    text.extend(
        spec.filter
            .traceback
            .map(|t| format!(",kind={}", if t { "traceback" } else { "line" })),
    );
    text.extend(spec.filter.slots.iter().map(|n| format!(",slot={n}")));
    text.extend(
        spec.when_full
            .map(|what| format!(",when-full={}", what.name())),
    );
    if let Target::Network(Remote { queue, .. }) = &spec.target {
        let folder = queue.folder.iter();
        text.extend(folder.map(|path| format!(",queue={}", path.display())));
        text.extend([format!(",queue-size={}", size_text(queue.limit()))]);
    }
    text
}

fn piece(piece: &Piece) -> String {
    match piece {
        Piece::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Piece::Pid => "{pid}".into(),
        Piece::Slot => "{slot}".into(),
        Piece::Stream => "{stream}".into(),
        Piece::Name => "{name}".into(),
    }
}
