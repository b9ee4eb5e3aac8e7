//! The small stable numbers of processes. Pure.

use std::collections::BTreeSet;

/// Hands out the lowest free number that is not reserved for a main process.
#[derive(Debug)]
pub(super) struct Slots {
    /// Numbers below this one are the main processes'.
    mains: u32,
    /// Numbers below `next` that are free.
    free: BTreeSet<u32>,
    /// All from here on are free.
    next: u32,
}

impl Slots {
    /// With the numbers below `mains` reserved.
    pub(super) fn new(mains: u32) -> Self {
        Self {
            mains,
            free: BTreeSet::new(),
            next: mains,
        }
    }

    /// The lowest free number.
    pub(super) fn take(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Frees a number that was taken; a reserved one was not.
    pub(super) fn give(&mut self, slot: u32) {
        if slot >= self.mains {
            self.free.insert(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_workers_need_eight_numbers_however_often_they_are_replaced() {
        let mut slots = Slots::new(1);
        let mut live: Vec<u32> = (0..8).map(|_| slots.take()).collect();
        assert_eq!(live, [1, 2, 3, 4, 5, 6, 7, 8]);
        for round in 0..100 {
            slots.give(live.remove(round % 8));
            live.push(slots.take());
        }
        live.sort_unstable();
        assert_eq!(live, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_main_processs_number_is_never_handed_out() {
        for mains in [1, 4] {
            let mut slots = Slots::new(mains);
            (0..mains).for_each(|slot| slots.give(slot));
            assert_eq!(slots.take(), mains);
        }
    }
}
