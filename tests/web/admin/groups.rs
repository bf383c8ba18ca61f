//! Groups: what they give, and what becomes of it when they go.

use super::{
    super::appliance::{Ask, Running},
    fill::{Form, act, change, follow, saved, staff_with, superuser, told},
};
use img::domain::{Group, GroupName, Verb, Verbs};

fn group(running: &Running, name: &str) -> Option<Group> {
    let name = GroupName::new(name).unwrap();
    let groups = running.appliance.app().store().groups().unwrap();
    groups.into_iter().find(|g| g.name == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_may_is_saved_and_counts_for_its_members_at_once() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let form = Form::open(&running, "/admin/groups/add", &ada).await;
    let grants = ["view-jobs", "view-queues", "add-queues"];
    let answer = form.set("name", "Night crew").with("grants", &grants).send(&running, &ada).await;
    assert_eq!(answer.location(), "/admin/groups", "{}", answer.body);
    let wanted: Verbs = [Verb::ViewJobs, Verb::ViewQueues, Verb::AddQueues].into_iter().collect();
    assert_eq!(group(&running, "Night crew").unwrap().verbs, wanted);
    let nick = running.staff("nick", Some("Night crew")).await;
    let nick = running.session(&nick, false).await;
    assert_eq!(running.get("/admin/queues/add", &nick).await.status, 200);

    let path = "/admin/groups/Night%20crew/change";
    let form = Form::open(&running, path, &ada).await;
    assert_eq!(form.all("grants"), grants);
    let answer = form.with("grants", &["view-jobs"]).send(&running, &ada).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(running.get("/admin/queues/add", &nick).await.status, 403, "at once");
    let line = told(&running, "group.change");
    assert_eq!(line.object, "group Night crew");
    assert_eq!(line.detail, "grants: −view-queues −add-queues");

    let form = Form::open(&running, path, &ada).await;
    let bad = form.with("grants", &["everything"]).send(&running, &ada).await;
    assert_eq!(bad.status, 422);
    assert!(bad.body.contains("is no permission"), "{}", bad.body);
    for name in ["Night crew", "", "a/b", "..", &"x".repeat(65)] {
        let twice = change(&running, "/admin/groups/add", &ada, &[("name", name)]).await;
        assert_eq!(twice.status, 422, "{name:?}: {}", twice.body);
        assert!(twice.body.contains("f-name-bad"), "{name:?}: {}", twice.body);
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_goes_is_taken_from_its_members_and_queues_stay_closed() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    saved(&running, "/admin/groups/add", &ada, &[("name", "crew")]).await;
    let nick = running.user("nick", Some("crew")).await;
    for (queue, open_to) in [("both", &["crew", "Operators"][..]), ("alone", &["crew"])] {
        let form = Form::open(&running, "/admin/queues/add", &ada).await;
        let form = form.set("name", queue).with("submitters", open_to);
        assert_eq!(form.send(&running, &ada).await.status, 303);
    }
    let path = "/admin/groups/crew/delete";
    let page = running.get(path, &ada).await;
    for said in ["queue alone is open to this group alone", "users are in it", ">nick</a>"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert!(Form::find(&page.body, path).is_none());
    let forced = running.ask(Ask::form(path, &ada, &[])).await;
    assert_eq!(forced.status, 409, "{}", forced.body);
    assert!(forced.body.contains("change the queue first"), "{}", forced.body);
    let app = running.appliance.app();
    let user = || app.store().user(&nick).unwrap().unwrap();
    assert_eq!(user().groups.len(), 1, "nothing of it was done");

    let form = Form::open(&running, "/admin/queues/alone/change", &ada).await;
    let form = form.with("submitters", &["Operators"]);
    assert_eq!(form.send(&running, &ada).await.status, 303);
    let form = Form::open(&running, path, &ada).await;
    let answer = form.send(&running, &ada).await;
    let list = follow(&running, &ada, &answer).await;
    assert!(list.body.contains("The group crew was deleted."), "{}", list.body);
    assert!(user().groups.is_empty());
    let both = app.store().queues().unwrap().into_iter().find(|q| q.name.as_str() == "both");
    let left: Vec<_> = both.unwrap().submitters.iter().map(ToString::to_string).collect();
    assert_eq!(left, ["Operators"]);
    assert_eq!(group(&running, "crew"), None);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_group_that_may_what_they_may_not() {
    let running = Running::start().await;
    let verbs =
        [Verb::ViewGroups, Verb::AddGroups, Verb::ChangeGroups, Verb::DeleteGroups, Verb::ViewJobs];
    let (_, gus) = staff_with(&running, "gus", &verbs).await;
    let page = running.get("/admin/groups/add", &gus).await.body;
    let form = Form::of(&page, "/admin/groups/add");
    let more = form.set("name", "mine").with("grants", &["view-jobs", "backup"]);
    let refused = more.send(&running, &gus).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.contains("you cannot give what you do not have yourself: backup"));
    assert_eq!(group(&running, "mine"), None);
    let form = Form::open(&running, "/admin/groups/add", &gus).await;
    let fits = form.set("name", "mine").with("grants", &["view-jobs"]);
    assert_eq!(fits.send(&running, &gus).await.status, 303);
    // What a group has already may stay although one has it not.
    let form = Form::open(&running, "/admin/groups/Operators/change", &gus).await;
    let before = group(&running, "Operators").unwrap();
    assert_eq!(form.send(&running, &gus).await.status, 303);
    assert_eq!(group(&running, "Operators").unwrap(), before);
    let asks = act(&running, "groups", &gus, "delete", &["mine"]).await;
    let form = Form::of(&asks.body, "/admin/groups/action");
    assert_eq!(form.send(&running, &gus).await.status, 303);
    assert_eq!(group(&running, "mine"), None);
    running.end().await;
}
