//! Settings: changed here, counted at once, and given back to config.toml.

use super::{
    super::{
        appliance::Running,
        retention::{done_job, start},
    },
    fill::{Form, change, saved, superuser, told},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_setting_counts_at_once_and_an_empty_value_gives_it_back() {
    let running = start().await;
    let ada = superuser(&running).await;
    let bo = running.user("bo", Some("Submitters")).await;
    let id = done_job(&running, &bo, "core", 3).await;
    let path = "/admin/settings/retention.images/change";
    let job = || async { running.get(&format!("/jobs/{id}"), &ada).await.body };
    assert!(job().await.contains("images until"), "{}", job().await);
    assert_eq!(Form::open(&running, path, &ada).await.get("value"), "14d");
    saved(&running, path, &ada, &[("value", "forever")]).await;
    assert!(!job().await.contains("images until"), "{}", job().await);
    assert_eq!(Form::open(&running, path, &ada).await.get("value"), "forever");
    let list = running.get("/admin/settings?changed=yes", &ada).await.body;
    assert!(list.contains("retention.images") && list.contains("1 setting"), "{list}");
    let line = told(&running, "setting.change");
    assert_eq!(
        (line.object.as_str(), line.detail.as_str()),
        ("setting retention.images", "value: 14d → forever")
    );
    saved(&running, path, &ada, &[("value", "")]).await;
    assert!(job().await.contains("images until"), "{}", job().await);
    assert_eq!(Form::open(&running, path, &ada).await.get("value"), "14d");
    assert_eq!(told(&running, "setting.change").detail, "value: forever → 14d");
    let stored = running.appliance.app().store().setting("setting.retention.images").unwrap();
    assert_eq!(stored, None);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_is_named_and_nothing_changes() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    for (key, value) in [
        ("retention.images", "soon"),
        ("retention.images", "-1d"),
        ("retention.budget", "0"),
        ("retention.budget", "101"),
        ("build.slots", "0"),
        ("build.slots", "many"),
        ("sessions.idle", "5s"),
        ("limits.definition", "big"),
        ("disk.hold_below", "99999999999TiB"),
        ("quota.user_queued", "1.5"),
    ] {
        let path = format!("/admin/settings/{key}/change");
        let before = Form::open(&running, &path, &ada).await.get("value").to_owned();
        let answer = change(&running, &path, &ada, &[("value", value)]).await;
        assert_eq!(answer.status, 422, "{key}={value}: {}", answer.body);
        assert!(answer.body.contains("f-value-bad"), "{key}={value}: {}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{value}\"")), "{key}: as typed");
        assert_eq!(Form::open(&running, &path, &ada).await.get("value"), before, "{key}");
    }
    for key in ["retention", "server.listen", "setting.build.slots", "runner.hostile"] {
        let path = format!("/admin/settings/{key}/change");
        assert_eq!(running.get(&path, &ada).await.status, 404, "{key}");
    }
    // Two that contradict each other do not both come to be.
    let path = "/admin/settings/disk.resume_above/change";
    saved(&running, path, &ada, &[("value", "2GiB")]).await;
    let path = "/admin/settings/disk.hold_below/change";
    let answer = change(&running, path, &ada, &[("value", "3GiB")]).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    // Nor does giving one back leave two that contradict each other.
    let [hold, resume] =
        ["hold_below", "resume_above"].map(|key| format!("/admin/settings/disk.{key}/change"));
    saved(&running, &resume, &ada, &[("value", "900GiB")]).await;
    saved(&running, &hold, &ada, &[("value", "800GiB")]).await;
    let answer = change(&running, &resume, &ada, &[("value", "")]).await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(answer.body.contains("f-value-bad"), "{}", answer.body);
    assert_eq!(Form::open(&running, &hold, &ada).await.get("value"), "800GiB");
    saved(&running, &hold, &ada, &[("value", "")]).await;
    saved(&running, &resume, &ada, &[("value", "")]).await;
    running.end().await;
}
