//! Whether a notification went out, by Alertmanager's own metrics.
//!
//! Alertmanager counts each request to a receiver when it has ended, and those
//! that failed once more (notify/notify.go, `RetryStage`). It repeats requests
//! that may succeed later, so one that failed is no verdict yet; a notification
//! that it gave up is.

/// Requests that ended.
const REQUESTS: &str = "alertmanager_notification_requests_total";
/// Those of them that failed.
const REQUESTS_FAILED: &str = "alertmanager_notification_requests_failed_total";
/// Notifications that were given up.
const GIVEN_UP: &str = "alertmanager_notifications_failed_total";

/// What went out through one way of one receiver so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count {
    requests: f64,
    failed: f64,
    given_up: f64,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Nothing ended yet.
    Waiting,
    /// Requests fail; Alertmanager repeats them.
    Failing,
    /// The receiver took it.
    Sent,
    /// Alertmanager gave up.
    Failed,
}

impl Count {
    /// Reads it from Alertmanager's page of metrics.
    pub(crate) fn read(page: &str, receiver: &str, integration: &str) -> Self {
        let labels = [format!("receiver_name=\"{receiver}\""), format!("integration=\"{integration}\"")];
        let sum = |name: &str| {
            let of_it = |line: &&str| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
                    && labels.iter().all(|label| has(line, label))
            };
            let value = |line: &str| line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
            page.lines().filter(of_it).filter_map(value).sum::<f64>()
        };
        Self { requests: sum(REQUESTS), failed: sum(REQUESTS_FAILED), given_up: sum(GIVEN_UP) }
    }

    /// What happened since `before`.
    pub(crate) fn since(self, before: Self) -> Delivery {
        let (requests, failed) = (self.requests - before.requests, self.failed - before.failed);
        if requests > failed {
            Delivery::Sent
        } else if self.given_up > before.given_up {
            Delivery::Failed
        } else if failed > 0.0 {
            Delivery::Failing
        } else {
            Delivery::Waiting
        }
    }
}

/// Whether a line has a label, and not another that ends like it.
fn has(line: &str, label: &str) -> bool {
    ["{", ","].iter().any(|before| line.contains(&format!("{before}{label}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(requests: u32, failed: u32, given_up: u32) -> String {
        format!(
            "# TYPE alertmanager_notification_requests_total counter\n\
             alertmanager_notification_requests_total{{integration=\"webhook\",receiver_name=\"ops\"}} {requests}\n\
             alertmanager_notification_requests_total{{integration=\"webhook\",receiver_name=\"ops-2\"}} 70\n\
             alertmanager_notification_requests_total{{integration=\"email\",receiver_name=\"ops\"}} 80\n\
             alertmanager_notification_requests_failed_total{{integration=\"webhook\",receiver_name=\"ops\"}} {failed}\n\
             alertmanager_notifications_failed_total{{integration=\"webhook\",reason=\"clientError\",receiver_name=\"ops\"}} {given_up}\n\
             alertmanager_notifications_failed_total{{integration=\"webhook\",reason=\"other\",receiver_name=\"ops\"}} 0\n"
        )
    }

    fn delivery(requests: u32, failed: u32, given_up: u32) -> Delivery {
        let read = |page: String| Count::read(&page, "ops", "webhook");
        read(page(requests, failed, given_up)).since(read(page(5, 2, 1)))
    }

    #[test]
    fn a_notification_is_judged_by_what_was_counted() {
        let table = [
            (5, 2, 1, Delivery::Waiting),
            (6, 2, 1, Delivery::Sent),
            (6, 3, 1, Delivery::Failing),
            (6, 3, 2, Delivery::Failed),
            // The second request of it succeeded.
            (7, 3, 1, Delivery::Sent),
        ];
        for (requests, failed, given_up, then) in table {
            assert_eq!(delivery(requests, failed, given_up), then, "{requests} {failed} {given_up}");
        }
    }

    #[test]
    fn a_page_without_it_counts_nothing() {
        assert_eq!(Count::read("", "ops", "webhook"), Count::default());
        assert_eq!(Count::read(&page(1, 1, 1), "o", "webhook"), Count::default());
    }
}
