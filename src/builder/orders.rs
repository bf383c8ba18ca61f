//! Orders that come from elsewhere: what the server says is compared with what lies on disk, and
//! limits with what a build can sensibly be given. The plan is computed here, later, by the runner
//! with exactly the SHA-256 of the order.

use super::{
    protocol::{Limits, Order, VERSION},
    wire::Ordered,
};
use crate::files::DataDir;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// Longest anything may take.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// Longest grace of a build that is stopped.
const GRACE: Duration = Duration::from_secs(3600);
/// Bytes of a log that may be kept.
const LOG: u64 = 1 << 40;
/// Bytes a definition may have at most, whatever a configuration says.
const DEFINITION: u64 = 1 << 30;

/// The order as it will be carried out, with its definition from the job's directory.
///
/// # Errors
/// Why it is refused.
pub(super) fn check(data: &DataDir, ordered: Ordered) -> Result<Order, String> {
    let Ordered { mut order, definition_size, definition_sha256 } = ordered;
    if order.version != VERSION {
        return Err(format!("the order speaks version {}, this builder {VERSION}", order.version));
    }
    limits(&order.limits)?;
    let job = order.job;
    data.job_dir(job).map_err(|e| format!("job {job} has no directory: {e}"))?;
    unbuilt(data, &order)?;
    if definition_size > DEFINITION {
        return Err(format!(
            "a definition of {definition_size} bytes, and the most is {DEFINITION}"
        ));
    }
    let definition = data
        .read_definition(job, definition_size)
        .map_err(|e| format!("the definition cannot be read: {e}"))?;
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&definition));
    if definition.len() as u64 != definition_size || sha256 != definition_sha256 {
        return Err(format!(
            "the definition on disk ({} bytes, SHA-256 {sha256}) is not the one that was ordered \
             ({definition_size} bytes, SHA-256 {definition_sha256})",
            definition.len()
        ));
    }
    order.request.definition = definition.into();
    Ok(order)
}

fn limits(limits: &Limits) -> Result<(), String> {
    let span = |what: &str, value: Duration, most: Duration| {
        if value <= most {
            return Ok(());
        }
        Err(format!("{what} of {} s, and the most is {} s", value.as_secs(), most.as_secs()))
    };
    span("a time limit", limits.total, LONGEST)?;
    span("a silence limit", limits.silence, LONGEST)?;
    limits.grace.into_iter().try_for_each(|grace| span("a grace", grace, GRACE))?;
    if limits.total.is_zero() || limits.silence.is_zero() {
        return Err("a time limit of nothing".into());
    }
    if let Some(wrong) = limits.bounds.wrong() {
        return Err(wrong.to_string());
    }
    if limits.log > LOG {
        return Err(format!("a log of {} bytes, and the most is {LOG}", limits.log));
    }
    Ok(())
}

/// A job is built once: what a failed second build took back would be the first one's images.
fn unbuilt(data: &DataDir, order: &Order) -> Result<(), String> {
    let job = order.job;
    let unreadable = |e| format!("the artifacts of job {job} cannot be looked at: {e}");
    let made = data.artifacts(job).and_then(|dir| dir.names(1)).map_err(unreadable)?;
    if made.is_empty() { Ok(()) } else { Err(format!("job {job} has artifacts already")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Arch, Bounds, ImageTypeId, JobId, JobName, RunnerId},
        plugin::Ask,
    };

    fn ordered(job: u64, definition: &'static [u8]) -> Ordered {
        Ordered::of(Order {
            version: VERSION,
            job: JobId::new(job).unwrap(),
            runner: RunnerId::new("mic").unwrap(),
            runner_sha256: "0".repeat(64),
            request: Ask {
                name: JobName::new("image").unwrap(),
                definition: definition.into(),
                image_type: ImageTypeId::new("raw").unwrap(),
                arch: Arch::new("x86_64").unwrap(),
                packages: Vec::new(),
                options: Vec::new(),
                secrets: Vec::new(),
                input_job: None,
            },
            limits: Limits {
                total: Duration::from_secs(60),
                silence: Duration::from_secs(60),
                grace: [Duration::from_secs(1); 2],
                log: 64 << 20,
                bounds: Bounds::default(),
            },
        })
    }

    #[test]
    fn an_order_is_compared_with_what_lies_on_disk() {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        let job = JobId::new(7).unwrap();
        data.create_job(job, b"part /\n", b"{}").unwrap();
        let good = check(&data, ordered(7, b"part /\n")).unwrap();
        assert_eq!(&good.request.definition[..], b"part /\n", "it comes from the disk");

        let said = check(&data, ordered(8, b"part /\n")).unwrap_err();
        assert!(said.contains("job 8 has no directory"), "{said}");
        let said = check(&data, ordered(7, b"part X\n")).unwrap_err();
        assert!(said.contains("not the one that was ordered"), "{said}");
        let said = check(&data, ordered(7, b"part\n")).unwrap_err();
        assert!(said.contains("7 bytes"), "{said}");

        std::fs::write(tmp.path().join("jobs/00000007/artifacts/image.raw"), "x").unwrap();
        let said = check(&data, ordered(7, b"part /\n")).unwrap_err();
        assert!(said.contains("has artifacts already"), "{said}");
    }

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let data = DataDir::open(tmp.path()).unwrap();
        data.create_job(JobId::new(7).unwrap(), b"", b"{}").unwrap();
        let with = |change: fn(&mut Order)| {
            let mut ordered = ordered(7, b"");
            change(&mut ordered.order);
            check(&data, ordered).map(drop)
        };
        assert_eq!(with(|_| {}), Ok(()));
        let changes: [fn(&mut Order); 6] = [
            |o| o.limits.bounds.cpu_weight = 0,
            |o| o.version = 9,
            |o| o.limits.total = Duration::MAX,
            |o| o.limits.silence = Duration::ZERO,
            |o| o.limits.grace[1] = LONGEST,
            |o| o.limits.log = u64::MAX,
        ];
        for change in changes {
            assert!(with(change).is_err());
        }
    }
}
