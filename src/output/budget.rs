//! How many descriptors may still be opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A count of descriptors that are free to be used, shared by all who open any.
///
/// Whoever wants to open one takes a permit first and gives it back after closing. The count says nothing about
/// descriptors that were open before it was made: its maker leaves room for those, and for the few that are open only
/// during one call.
#[derive(Debug)]
pub struct FdBudget {
    left: AtomicUsize,
}

impl FdBudget {
    /// A budget of `permits` descriptors.
    pub fn new(permits: usize) -> Self {
        Self {
            left: AtomicUsize::new(permits),
        }
    }

    /// Takes `n` permits, all or none; false: fewer than `n` were left.
    pub fn try_take(&self, n: usize) -> bool {
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(n)
            })
            .is_ok()
    }

    /// Gives `n` permits back.
    pub fn give(&self, n: usize) {
        self.left.fetch_add(n, Ordering::SeqCst);
    }

    /// How many permits are left.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }
}

/// One permit, given back when it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<FdBudget>);

impl Permit {
    /// Takes one permit, if there is one.
    pub fn take(budget: &Arc<FdBudget>) -> Option<Self> {
        budget.try_take(1).then(|| Self(Arc::clone(budget)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_all_or_none_and_gives_back() {
        let budget = FdBudget::new(3);
        assert!(budget.try_take(2));
        assert!(!budget.try_take(2));
        assert_eq!(budget.left(), 1);
        budget.give(1);
        assert!(budget.try_take(2));
        assert_eq!(budget.left(), 0);
    }

    #[test]
    fn a_permit_comes_back_when_dropped() {
        let budget = Arc::new(FdBudget::new(1));
        let permit = Permit::take(&budget);
        assert!(permit.is_some());
        assert!(Permit::take(&budget).is_none());
        drop(permit);
        assert_eq!(budget.left(), 1);
    }
}
