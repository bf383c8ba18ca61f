//! Records with everything in them, and lists as a change sees them.

use super::*;
use crate::{
    domain::{
        Group, GroupName, Queue, SetUp, Site, Tag, UserQuota,
        retention::{Lifetime, Override},
    },
    store::{Batch, ShelfRecord},
};
use std::time::Duration;

fn queue(name: &str) -> Queue {
    Queue::standard(QueueName::new(name).unwrap(), "pages")
}

fn batch(number: u64, jobs: &[u64]) -> Batch {
    Batch {
        number,
        by: "ann".into(),
        peer: "::1".into(),
        request: "r-1".into(),
        at: at(5),
        run: 9,
        jobs: jobs.iter().map(|n| id(*n)).collect(),
    }
}

#[test]
fn records_in_which_nothing_is_empty_come_back() {
    let full_queue = Queue {
        submitters: vec![GroupName::new("Release engineers").unwrap()],
        runners: vec![RunnerId::new("mic").unwrap()],
        retention: Override {
            images: Some(Lifetime::Forever),
            leftovers: Some(Lifetime::For(Duration::ZERO)),
            logs: Some(Lifetime::For(Duration::from_millis(86_400_001))),
            records: None,
        },
        kept_bytes: Some(0),
        requeue: true,
        ..queue("web")
    };
    let full_user = User {
        quota: UserQuota { running: Some(0), queued: None, bytes: Some(1 << 50) },
        setup: Some(SetUp { hash: [7; 32], until: at(8) }),
        ..user("ann")
    };
    let tags = ["nightly", "1.2"].map(|tag| Tag::new(tag).unwrap()).to_vec();
    let shelf = ShelfRecord { tags, ..ShelfRecord::new(id(4)) };
    let line = AuditRecord { request: "r-1".into(), detail: "x".repeat(40_000), ..audit(1) };
    let (dir, store) = store();
    put(&store, {
        let (q, u, s, l) = (full_queue.clone(), full_user.clone(), shelf.clone(), line.clone());
        move |tx| {
            tx.put_queue(&q)?;
            tx.put_user(&u)?;
            tx.put_shelf(&s)?;
            tx.append_audit(&l)
        }
    });
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.queue(&full_queue.name).unwrap(), Some(full_queue.clone()));
    assert_eq!(store.queues().unwrap(), [full_queue]);
    assert_eq!(store.user(&ann()).unwrap(), Some(full_user));
    assert_eq!(store.shelf(id(4)).unwrap(), shelf);
    assert_eq!(store.audit_line(1).unwrap().unwrap().record, line);
    assert_eq!(store.verify_audit().unwrap().broken, [""; 0], "a line in pieces is one line");
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn batches_come_back_oldest_first_and_are_carried_away_with_the_rest() {
    let (_dir, first) = store();
    let many: Vec<u64> = (1..200_000).map(|n| n * 2).collect();
    let (b, a) = (batch(2, &many), batch(1, &[3, 7, 8]));
    put(&first, {
        let (b, a) = (b.clone(), a.clone());
        move |tx| {
            tx.put_batch(&b)?;
            tx.put_batch(&a)?;
            tx.put_batch(&batch(3, &[9, 9, 4]))
        }
    });
    assert_eq!(first.batches().unwrap(), [a.clone(), b.clone(), batch(3, &[4, 9])]);
    put(&first, |tx| {
        tx.remove_batch(3)?;
        tx.remove_batch(77)
    });
    let mut bytes = Vec::new();
    first.export(&mut bytes).unwrap();
    let (_other, second) = store();
    second.import(&mut bytes.as_slice()).unwrap();
    assert_eq!(second.batches().unwrap(), [a, b]);
    assert_eq!(findings(&second), [""; 0]);
    super::records::tamper(&second, crate::store::keys::Space::Batches, &1u64.to_be_bytes(), |b| {
        b.truncate(4);
    });
    assert_eq!(findings(&second).len(), 1);
    second.fsck(true).unwrap();
    assert_eq!((second.batches().unwrap().len(), findings(&second)), (1, vec![]));
}

#[test]
fn a_change_sees_the_lists_as_it_has_left_them() {
    let (_dir, store) = store();
    fill(&store);
    let group = |name: &str| Group { name: GroupName::new(name).unwrap(), verbs: Verbs::NONE };
    put(&store, move |tx| {
        tx.put_user(&user("zed"))?;
        tx.put_queue(&queue("api"))?;
        let names = |users: Vec<User>| -> Vec<String> {
            users.iter().map(|u| u.name.to_string()).collect()
        };
        assert_eq!(names(tx.users()?), ["ann", "zed"]);
        assert!(tx.remove_user(&UserName::new("zed").unwrap())?);
        assert!(!tx.remove_user(&UserName::new("zed").unwrap())?);
        assert_eq!(names(tx.users()?), ["ann"]);
        assert_eq!(tx.queues()?, [queue("api"), queue("web")]);
        assert!(tx.remove_queue(&QueueName::new("web").unwrap())?);
        assert_eq!(tx.queues()?, [queue("api")]);
        tx.put_group(&group("A"))?;
        let count = tx.groups()?.len();
        assert!(tx.remove_group(&GroupName::new("A").unwrap())?);
        assert_eq!(tx.groups()?.len(), count - 1);
        let site = Site { domain: "a".into(), display_name: "A".into() };
        tx.put_site(&site)?;
        assert_eq!((tx.sites()?.len(), &tx.sites()?[0]), (2, &site));
        Ok(())
    });
    assert_eq!(store.queues().unwrap(), [queue("api")]);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn a_user_goes_with_every_session_and_token_and_nobody_else_s() {
    let (_dir, store) = store();
    fill(&store);
    let bo = UserName::new("bo").unwrap();
    put(&store, {
        let bo = bo.clone();
        move |tx| {
            tx.put_token(&token(8, &bo))?;
            tx.put_session(&session(9, &bo))?;
            assert!(tx.remove_token_by(&[1; 32])?);
            assert!(!tx.remove_token_by(&[1; 32])?);
            assert_eq!(tx.remove_tokens_of(&ann())?, 2);
            tx.put_token(&token(5, &ann()))?;
            tx.remove_user(&ann()).map(|there| assert!(there))
        }
    });
    assert_eq!(store.user(&ann()).unwrap(), None);
    assert_eq!(store.sessions().unwrap(), [session(9, &bo)]);
    assert_eq!(store.tokens().unwrap(), [token(8, &bo)]);
    assert_eq!(findings(&store), [""; 0]);
}

#[test]
fn settings_are_listed_by_the_beginning_of_their_keys() {
    let (_dir, store) = store();
    put(&store, |tx| {
        for key in ["mail.host", "mail", "mail.from", "name"] {
            tx.put_setting(key, Some("x"))?;
        }
        tx.put_setting("mail.from", None)
    });
    let keys = |prefix: &str| -> Vec<String> {
        store.settings(prefix).unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys("mail."), ["mail.host"]);
    assert_eq!(keys(""), ["mail", "mail.host", "name"]);
    assert_eq!(keys("nothing"), [""; 0]);
}
