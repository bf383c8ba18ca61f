//! From rows to filters. Every screen group hands over its handlers by the names of their rows;
//! they become one filter, grouped behind the first segment of their paths.

use super::{
    access, account, admin, api,
    arrival::Arrival,
    assets,
    body::Body,
    disk, download,
    error::WebError,
    health, job, keeping, log, login, queue,
    reply::{Reply, Response},
    schedules, setup, start, stream, submit,
    table::{self, Answers, Params, ROWS, Row},
    visit::{Scene, Visit},
};
use crate::app::App;
use bytes::Buf;
use futures_util::Stream;
use http::Method;
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::Arc,
};
use warp::{Filter as _, filters::BoxedFilter};

type Filter = BoxedFilter<(Response,)>;
type Handled = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Handler = Arc<dyn Fn(Visit) -> Handled + Send + Sync>;

/// The table and the handlers do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Rows without a handler.
    #[error("no handler for the routes {}", .0.join(", "))]
    Unhandled(Vec<&'static str>),
    /// A handler without a row, so nobody knows who may call it.
    #[error("the handler `{0}` has no row in the table of routes")]
    Unknown(&'static str),
    /// Two handlers for one row.
    #[error("two handlers for the route `{0}`")]
    Twice(&'static str),
}

/// The handlers of one group of screens.
pub struct Screens {
    app: App,
    routes: Vec<(&'static str, Handler)>,
}

impl Screens {
    /// None yet.
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), routes: Vec::new() }
    }

    /// Adds the handler of the row called `name`.
    #[must_use]
    pub fn on<F, R>(mut self, name: &'static str, handler: F) -> Self
    where
        F: Fn(Visit) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        self.routes.push((name, Arc::new(move |visit| Box::pin(handler(visit)))));
        self
    }
}

/// Every screen group.
fn groups(app: &App) -> Vec<Screens> {
    vec![
        queue::routes(app),
        job::routes(app),
        log::routes(app),
        start::routes(app),
        stream::routes(app),
        download::routes(app),
        api::routes(app),
        submit::routes(app),
        assets::routes(app),
        login::routes(app),
        account::routes(app),
        health::routes(app),
        disk::routes(app),
        schedules::routes(app),
        keeping::routes(app),
        admin::routes(app),
        setup::routes(app),
    ]
}

/// Everything the appliance answers, as one filter that never rejects.
///
/// # Errors
/// When a row has no handler or a handler no row.
pub fn filter(app: &App) -> Result<Filter, RouteError> {
    let groups = groups(app);
    fits(groups.iter().flat_map(|g| g.routes.iter().map(|(name, _)| *name)))?;
    let mut by_first: BTreeMap<&'static str, Vec<Filter>> = BTreeMap::new();
    for group in groups {
        for (name, handler) in group.routes {
            let row = table::named(name).ok_or(RouteError::Unknown(name))?;
            by_first.entry(row.first()).or_default().push(route(row, &group.app, handler));
        }
    }
    let groups = by_first.into_iter().filter_map(|(first, routes)| behind(first, routes));
    Ok(either(groups.collect::<Vec<_>>())
        .map_or_else(|| nothing_here(app), |all| all.or(nothing_here(app)).unify().boxed()))
}

fn fits(names: impl Iterator<Item = &'static str>) -> Result<(), RouteError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if table::named(name).is_none() {
            return Err(RouteError::Unknown(name));
        }
        if !seen.insert(name) {
            return Err(RouteError::Twice(name));
        }
    }
    let missing: Vec<_> = ROWS.iter().map(|r| r.name).filter(|n| !seen.contains(n)).collect();
    if missing.is_empty() { Ok(()) } else { Err(RouteError::Unhandled(missing)) }
}

/// The routes of a first segment; the start page has none.
fn behind(first: &'static str, routes: Vec<Filter>) -> Option<Filter> {
    let routes = either(routes)?;
    Some(match first {
        "" => warp::path::end().and(routes).boxed(),
        first => warp::path(first).and(routes).boxed(),
    })
}

fn either(filters: Vec<Filter>) -> Option<Filter> {
    filters.into_iter().reduce(|all, one| all.or(one).unify().boxed())
}

/// The filter of one row: its path and method, then its handler.
fn route(row: &'static Row, app: &App, handler: Handler) -> Filter {
    let app = app.clone();
    place(row)
        .and(warp::ext::get::<Arrival>())
        .and(warp::body::stream())
        .then(move |params, arrival, body| {
            let (app, handler) = (app.clone(), Arc::clone(&handler));
            async move { answer(app, row, &handler, params, arrival, body).await }
        })
        .boxed()
}

/// Path and method of a row, made from its pattern.
fn place(row: &'static Row) -> BoxedFilter<(Params,)> {
    warp::path::peek()
        .and(warp::method())
        .and_then(move |rest: warp::path::Peek, method: Method| {
            let params = row.takes(&method).then(|| row.match_rest(rest.as_str())).flatten();
            std::future::ready(params.ok_or_else(warp::reject::not_found))
        })
        .boxed()
}

async fn answer<S, B, E>(
    app: App,
    row: &'static Row,
    handler: &Handler,
    params: Params,
    arrival: Arrival,
    body: S,
) -> Response
where
    S: Stream<Item = Result<B, E>> + Send + 'static,
    B: Buf,
{
    let (scene, who) = match row.answers {
        Answers::Asset => (Scene::plain(arrival), super::visit::Who::Nobody),
        Answers::Page | Answers::File | Answers::Stream | Answers::Api => {
            Scene::open(&app, arrival).await
        }
    };
    let scene = Arc::new(scene);
    let limit = row.body.limit(app.live().definition_limit);
    let seen = (Arc::clone(&scene), who);
    let mut visit = Visit::new(app, row, params, seen, Body::new(body, limit));
    let reply = match visit.admit().await {
        Ok(()) => handler(visit).await,
        Err(error) => Err(error),
    };
    let response = reply.unwrap_or_else(|error| scene.error(error, row.answers));
    scene.tidy(response)
}

/// What answers when no row did: 404, or 405 where another method would do.
fn nothing_here(app: &App) -> Filter {
    let app = app.clone();
    warp::ext::get::<Arrival>()
        .then(move |arrival: Arrival| {
            let app = app.clone();
            async move {
                let error = match table::allowed(arrival.uri.path()) {
                    Some(allow) => WebError::method(allow),
                    None => WebError::not_found(),
                };
                let answers = if arrival.is_api() { Answers::Api } else { Answers::Page };
                let hidden = access::is_admin(arrival.uri.path());
                let (scene, who) = Scene::open(&app, arrival).await;
                let error = match hidden {
                    true => access::outsider(&who, scene.arrival()).unwrap_or(error),
                    false => error,
                };
                scene.tidy(scene.error(error, answers))
            }
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_a_handler_does_not_start() {
        let all = || ROWS.iter().map(|r| r.name);
        assert_eq!(fits(all()), Ok(()));
        let short = fits(all().filter(|n| *n != "logout" && *n != "queue"));
        assert_eq!(short, Err(RouteError::Unhandled(vec!["logout", "queue"])));
    }

    #[test]
    fn a_handler_without_a_row_does_not_start() {
        let all = || ROWS.iter().map(|r| r.name);
        assert_eq!(fits(all().chain(["backdoor"])), Err(RouteError::Unknown("backdoor")));
        assert_eq!(fits(all().chain(["queue"])), Err(RouteError::Twice("queue")));
    }

    #[tokio::test]
    async fn a_row_s_filter_takes_its_path_and_methods_only() {
        let row = table::named("job.file").unwrap();
        let filter = warp::path("jobs").and(place(row));
        let hit = |method: &'static str, path: &'static str| {
            let service = warp::service(
                filter.clone().map(|p: Params| p.get("name").unwrap_or("").to_owned()),
            );
            async move {
                let request = http::Request::builder().method(method).uri(path);
                let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
                let service = hyper_util::service::TowerToHyperService::new(service);
                hyper::service::Service::call(&service, request).await.unwrap().status().as_u16()
            }
        };
        assert_eq!(hit("GET", "/jobs/7/files/a.img").await, 200);
        assert_eq!(hit("HEAD", "/jobs/7/files/a.img").await, 200);
        assert_eq!(hit("POST", "/jobs/7/files/a.img").await, 404);
        assert_eq!(hit("GET", "/jobs/7/files/%2e%2e").await, 404);
        assert_eq!(hit("GET", "/jobs/7/files").await, 404);
        assert_eq!(hit("GET", "/job/7/files/a.img").await, 404);
    }
}
