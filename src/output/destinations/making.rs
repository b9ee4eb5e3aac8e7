//! Destinations are made: every path opened, templates kept for their first records.

use super::{Destinations, Dropped, Notice, OpenError, Route, To, TokenRange};
use crate::output::budget::FdBudget;
use crate::output::destinations::own::{Inherited, OwnSinks};
use crate::output::destinations::rotating::Turns;
use crate::output::format::Encoder;
use crate::output::network::{Receivers, Remote};
use crate::output::news::News;
use crate::output::open::{Cause, Fd, Kind, Open, id_at};
use crate::output::rotate::family::Family;
use crate::output::rotate::keeper::{Keeper, Place};
use crate::output::settings::{Settings, WhenFull, WhenSync};
use crate::output::sink::{Owner, Sink};
use crate::output::spec::{OutputSpec, Style, Target, TimeStyle, shown};
use crate::output::syncing::Syncer;
use crate::output::template::file_name;
use jiff::tz::TimeZone;
use mio::{Registry, Token};
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The descriptors of the bell, [`News`].
const BELL: usize = 2;

/// The last tokens, which are no sink's.
pub(super) const NO_SINKS: usize = 2;

impl Destinations {
    /// Opens every destination but those of templates, which are opened at their first record.
    ///
    /// `name` is `--name`. `budget` has to hold a permit for each path; one descriptor more may be open during a call.
    /// What cannot hang is not registered. The notices are for the user, such as that a file ended inside a line.
    pub fn open(
        specs: &[OutputSpec],
        name: &str,
        settings: Settings,
        budget: Arc<FdBudget>,
        registry: &Registry,
        tokens: TokenRange,
    ) -> Result<(Self, Vec<Notice>), OpenError> {
        let inherited = Inherited {
            stdout: Fd::Stdout(std::io::stdout()),
            stderr: Fd::Stderr(std::io::stderr()),
            wall: crate::wall_us,
        };
        Self::open_with(specs, name, settings, budget, registry, tokens, inherited)
    }

    pub(super) fn open_with(
        specs: &[OutputSpec],
        name: &str,
        settings: Settings,
        budget: Arc<FdBudget>,
        registry: &Registry,
        tokens: TokenRange,
        inherited: Inherited,
    ) -> Result<(Self, Vec<Notice>), OpenError> {
        let unusable = |error: std::io::Error| OpenError {
            operation: "use",
            object: "the event loop".to_owned(),
            cause: error.to_string(),
        };
        let registry = registry.try_clone().map_err(unusable)?;
        let mut all = Self::empty(name, settings, budget, registry, tokens);
        all.wall = inherited.wall;
        // All destinations have one `--time`.
        if specs
            .first()
            .is_some_and(|spec| spec.style.time == TimeStyle::Local)
        {
            all.zone = TimeZone::system();
        }
        let mut own = OwnSinks::new(inherited);
        let host = host_name();
        for spec in specs {
            let when_full = spec.when_full.unwrap_or(all.settings.when_full);
            let to = all.target(spec, when_full, &mut own, &host);
            let to = to.map_err(|cause| {
                let operation = match cause {
                    Cause::Lock(_) => "lock",
                    _ => "open",
                };
                OpenError {
                    operation,
                    object: spec.target.to_string(),
                    cause: cause.to_string(),
                }
            })?;
            all.routes.push(Route {
                encoder: Encoder::new(&spec.style, name, &host),
                filter: spec.filter.clone(),
                to,
                when_full,
            });
        }
        all.hire().map_err(unusable)?;
        let notices = std::mem::take(&mut all.notices);
        Ok((all, notices))
    }

    fn empty(
        name: &str,
        settings: Settings,
        budget: Arc<FdBudget>,
        registry: Registry,
        tokens: TokenRange,
    ) -> Self {
        Self {
            routes: Vec::new(),
            sinks: Slab::new(),
            receivers: Receivers::default(),
            by_path: HashMap::new(),
            owned: BTreeSet::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            work: BTreeSet::new(),
            name: name.to_owned(),
            file_name: file_name(name),
            budget,
            registry,
            tokens,
            notices: Vec::new(),
            notices_left_out: 0,
            pending: 0,
            held: 0,
            congested: 0,
            dropped: Dropped::default(),
            trim_at: None,
            path: Vec::new(),
            settings,
            zone: TimeZone::UTC,
            wall: crate::wall_us,
            turns: Turns::default(),
            places: Vec::new(),
            keeper: None,
            kept: false,
            syncer: None,
            sync_at: None,
            news: None,
        }
    }

    /// Prepares the threads that the settings ask for.
    fn hire(&mut self) -> std::io::Result<()> {
        let keeps = self.settings.rotation.tidies() && !self.places.is_empty();
        let syncs = self.settings.sync != WhenSync::Never;
        if !keeps && !syncs {
            return Ok(());
        }
        self.budget.try_take(BELL);
        let (teller, news) = News::new(&self.registry, self.bell())?;
        self.news = Some(news);
        self.syncer = syncs.then(|| Syncer::new(teller.clone()));
        self.keeper = keeps.then(|| {
            let places = std::mem::take(&mut self.places);
            let rules = self.settings.rotation.clone();
            Keeper::new(places, rules, Arc::clone(&self.budget), teller)
        });
        Ok(())
    }

    /// The bell has the last token.
    pub(super) fn bell(&self) -> Token {
        Token(self.tokens.first + self.tokens.count.saturating_sub(1))
    }

    /// The one before is the receivers'.
    pub(super) fn receivers_token(&self) -> Token {
        Token(self.tokens.first + self.tokens.count.saturating_sub(NO_SINKS))
    }

    /// Where several destinations lead to the same place, the first of them says what is done when that is full.
    fn target(
        &mut self,
        spec: &OutputSpec,
        when_full: WhenFull,
        own: &mut OwnSinks,
        host: &str,
    ) -> Result<To, Cause> {
        match &spec.target {
            Target::Template(template) => {
                let family = Family::of_template(template, &self.file_name);
                self.places.push(Place::Template(family));
                Ok(To::Template {
                    template: template.clone(),
                    place: self.places.len() - 1,
                })
            }
            Target::Stdout => self.fixed(when_full, |all| own.stdout(all)),
            Target::Stderr => self.fixed(when_full, |all| own.stderr(all)),
            Target::File(path) => self.fixed(when_full, |all| all.fixed_path(path, own)),
            Target::Network(remote) => self.receiver(remote, when_full, &spec.style, host),
        }
    }

    fn receiver(
        &mut self,
        remote: &Remote,
        when_full: WhenFull,
        style: &Style,
        host: &str,
    ) -> Result<To, Cause> {
        // A socket, and for a queue on disk its position and a segment at each end; the first also needs the bell.
        let needed = if remote.queue.folder.is_some() { 6 } else { 3 };
        if !self.budget.try_take(needed) {
            return Err(Cause::NoDescriptor);
        }
        let token = self.receivers_token();
        let about = (style, self.name.as_str(), host);
        let opened = self
            .receivers
            .open(remote, when_full, about, &self.registry, token);
        opened
            .map(To::Receiver)
            .map_err(|error| Cause::Queue(crate::cause(&error)))
    }

    fn fixed(
        &mut self,
        when_full: WhenFull,
        make: impl FnOnce(&mut Self) -> Result<usize, Cause>,
    ) -> Result<To, Cause> {
        let before = self.sinks.len();
        let id = make(self)?;
        if self.sinks.len() > before {
            self.sinks[id].when_full = when_full;
        }
        Ok(To::Sink(id))
    }

    /// The sink of a path without fields, opened. Another name of what is open already is no second sink: what two
    /// write to one pipe would mix.
    fn fixed_path(&mut self, path: &Path, own: &mut OwnSinks) -> Result<usize, Cause> {
        let key = path.as_os_str().as_bytes();
        if let Some(&id) = self.by_path.get(key) {
            return Ok(id);
        }
        if let Some(found) = id_at(path) {
            if let Some(id) = own.not_regular(found, self) {
                return id;
            }
            let same = self.sinks.iter().find(|(_, sink)| {
                let same = |open: &Open| open.id == found && open.kind != Kind::Regular;
                sink.open.as_ref().is_some_and(same)
            });
            if let Some((id, _)) = same {
                return Ok(id);
            }
        }
        let id = self.new_sink(key.to_vec(), Owner::Fixed, self.places.len());
        self.open_path(id)?;
        self.may_lock(id)?;
        self.places.push(Place::Path(path.to_owned()));
        Ok(id)
    }

    pub(super) fn new_sink(&mut self, path: Vec<u8>, owner: Owner, place: usize) -> usize {
        let label = shown(&path);
        let file = PathBuf::from(OsString::from_vec(path.clone()));
        let mut sink = Sink::new(label, Some(file), owner);
        sink.place = Some(place);
        let id = self.sinks.insert(sink);
        self.by_path.insert(path, id);
        if matches!(owner, Owner::Pid(_) | Owner::Slot(_)) {
            self.owned.insert((owner, id));
        }
        id
    }
}

/// The machine's name; empty where it is not known.
fn host_name() -> String {
    nix::unistd::gethostname().map_or_else(
        |_| String::new(),
        |name| name.to_string_lossy().into_owned(),
    )
}
