//! Sites: the names under which the box answers.

use super::{
    super::appliance::{Ask, Person, Running},
    fill::{Form, act, change, saved, superuser},
};

async fn status_for(running: &Running, host: &str, who: &Person) -> u16 {
    let ask = Ask { host: Some(host.into()), ..Ask::get("/queue", who) };
    running.ask(ask).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn the_box_answers_to_the_names_of_its_sites_and_to_no_other() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let host = "images.example.org";
    assert_eq!(status_for(&running, host, &ada).await, 421);
    let fields = [("domain", "Images.Example.ORG"), ("display_name", "Images & <more>")];
    saved(&running, "/admin/sites/add", &ada, &fields).await;
    for host in [host, "images.example.org:8080", "IMAGES.example.org", "images.example.org."] {
        assert_eq!(status_for(&running, host, &ada).await, 200, "{host}");
    }
    assert_eq!(status_for(&running, "example.org", &ada).await, 421);
    let path = "/admin/sites/images.example.org/change";
    assert_eq!(Form::open(&running, path, &ada).await.get("display_name"), "Images & <more>");
    for (field, value) in [
        ("domain", "images.example.org"),
        ("domain", "IMAGES.example.org"),
        ("domain", "http://x"),
        ("domain", "x:80"),
        ("domain", "*"),
        ("domain", ""),
        ("domain", "a..b"),
        ("display_name", ""),
        ("display_name", &"x".repeat(51)),
    ] {
        let fields = [("domain", "other.example.org"), ("display_name", "Other"), (field, value)];
        let answer = change(&running, "/admin/sites/add", &ada, &fields).await;
        assert_eq!(answer.status, 422, "{field}={value}: {}", answer.body);
        assert!(answer.body.contains(&format!("f-{field}-bad")), "{field}={value}");
    }
    let path = "/admin/sites/images.example.org/delete";
    let form = Form::open(&running, path, &ada).await;
    assert_eq!(form.send(&running, &ada).await.status, 303);
    assert_eq!(status_for(&running, host, &ada).await, 421, "at once");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_site_stays_and_its_name_is_in_every_title() {
    let running = Running::start().await;
    let ada = superuser(&running).await;
    let sites = running.appliance.app().store().sites().unwrap();
    let [only] = sites.as_slice() else { panic!("{sites:?}") };
    let path = format!("/admin/sites/{}/change", only.domain);
    saved(&running, &path, &ada, &[("display_name", "The <kitchen>")]).await;
    let page = running.get("/queue", &ada).await.body;
    assert!(page.contains("The &lt;kitchen&gt;") && !page.contains("<kitchen>"), "{page}");
    let delete = format!("/admin/sites/{}/delete", only.domain);
    let page = running.get(&delete, &ada).await;
    assert!(page.body.contains("it is the only site"), "{}", page.body);
    assert!(Form::find(&page.body, &delete).is_none());
    assert_eq!(running.ask(Ask::form(&delete, &ada, &[])).await.status, 409);
    let fields = [("domain", "two.example.org"), ("display_name", "Two")];
    saved(&running, "/admin/sites/add", &ada, &fields).await;
    let both = [only.domain.as_str(), "two.example.org"];
    let asks = act(&running, "sites", &ada, "delete", &both).await;
    let form = Form::of(&asks.body, "/admin/sites/action");
    let refused = form.send(&running, &ada).await;
    assert_eq!(refused.status, 409, "not both: {}", refused.body);
    assert_eq!(running.appliance.app().store().sites().unwrap().len(), 2, "and then none");
    running.end().await;
}
