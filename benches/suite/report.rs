//! Figures, the table and the JSON file.

use serde_json::json;

/// Which way a figure is better.
#[derive(Clone, Copy)]
pub enum Better {
    Lower,
    Higher,
}

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: f64,
    better: Better,
    peer: Option<f64>,
    note: String,
}

/// Name, unit, goal, direction, best peer (measured on this kind of machine).
const FIGURES: &[(&str, &str, f64, Better, Option<f64>)] = &[
    ("jobs_per_s_tmpfs", "jobs/s", 400.0, Better::Higher, Some(283.0)),
    ("jobs_per_s_disk", "jobs/s", 190.0, Better::Higher, Some(127.0)),
    ("server_cpu_ms_per_job", "ms", 1.5, Better::Lower, Some(1.5)),
    ("submit_to_running_p50_ms", "ms", 1.3, Better::Lower, Some(1.3)),
    ("submit_to_running_p99_ms", "ms", 10.0, Better::Lower, None),
    ("submit_to_done_p50_ms", "ms", 8.0, Better::Lower, Some(8.4)),
    ("sandbox_start_ms", "ms", 5.0, Better::Lower, None),
    ("log_line_p50_ms", "ms", 0.35, Better::Lower, Some(0.35)),
    ("log_line_p99_ms", "ms", 0.55, Better::Lower, Some(0.55)),
    ("log_mb_per_s", "MB/s", 100.0, Better::Higher, Some(20.0)),
    ("log_rss_growth_mb", "MB", 10.0, Better::Lower, Some(67.0)),
    ("log_followers_lag_ms", "ms", 1000.0, Better::Lower, None),
    ("log_paint_ms", "ms", 200.0, Better::Lower, None),
    ("queue_page_ms_10k", "ms", 1.0, Better::Lower, Some(19.8)),
    ("queue_page_ms_1m", "ms", 1.0, Better::Lower, None),
    ("queue_page_rps", "1/s", 5000.0, Better::Higher, Some(71.0)),
    ("admin_list_ms", "ms", 15.0, Better::Lower, Some(781.0)),
    ("admin_search_ms", "ms", 30.0, Better::Lower, Some(229.0)),
    ("admin_filter_ms", "ms", 15.0, Better::Lower, Some(397.0)),
    ("admin_page500_ms", "ms", 15.0, Better::Lower, Some(1204.0)),
    ("admin_form_ms", "ms", 5.0, Better::Lower, Some(27.0)),
    ("admin_delete_all_ms", "ms", 100.0, Better::Lower, Some(9400.0)),
    ("admin_delete_all_kb", "kB", 30.0, Better::Lower, Some(14_600.0)),
    ("admin_rss_growth_mb", "MB", 10.0, Better::Lower, None),
    ("start_ms", "ms", 50.0, Better::Lower, Some(8.7)),
    ("start_ms_100k", "ms", 100.0, Better::Lower, None),
    ("idle_rss_mb", "MB", 40.0, Better::Lower, Some(8.8)),
    ("binary_mb", "MB", 30.0, Better::Lower, Some(0.8)),
    ("plugin_load_ms", "ms", 5.0, Better::Lower, None),
    ("plugin_plan_us", "µs", 100.0, Better::Lower, None),
    ("observer_lines_per_s", "1/s", 1_000_000.0, Better::Higher, None),
    ("overhead_ratio", "", 1.02, Better::Lower, None),
    ("cleanup_plan_ms_100k", "ms", 100.0, Better::Lower, None),
    ("cleanup_files_per_s", "1/s", 20_000.0, Better::Higher, None),
    ("cleanup_rss_growth_mb", "MB", 10.0, Better::Lower, None),
    ("assets_gz_kb", "kB", 20.0, Better::Lower, Some(341.0)),
    ("login_ms", "ms", 150.0, Better::Lower, Some(445.0)),
];

/// What was measured so far.
pub struct Report {
    only: String,
    figures: Vec<Figure>,
}

impl Report {
    pub fn new(only: String) -> Self {
        Self { only, figures: Vec::new() }
    }

    /// True if any of these figures was asked for.
    pub fn wants(&self, names: &[&str]) -> bool {
        let wanted = names.iter().any(|name| name.starts_with(&self.only));
        if wanted {
            eprintln!("measuring {} …", names.join(", "));
        }
        wanted
    }

    /// Takes a figure down.
    pub fn add(&mut self, name: &str, value: f64, note: impl Into<String>) {
        let known = FIGURES.iter().find(|(n, ..)| *n == name).expect("a known figure");
        let (name, unit, goal, better, peer) = *known;
        self.figures.push(Figure {
            name: name.to_owned(),
            value,
            unit,
            goal,
            better,
            peer,
            note: note.into(),
        });
    }

    /// Prints the table and writes `IMG_BENCH_OUT`.
    pub fn finish(self) {
        println!("{:26} {:>12} {:6} {:>10} {:>9}  note", "name", "value", "unit", "goal", "peer");
        for f in &self.figures {
            let met = match f.better {
                Better::Lower => f.value <= f.goal,
                Better::Higher => f.value >= f.goal,
            };
            let sign = if matches!(f.better, Better::Lower) { "≤" } else { "≥" };
            let peer = f.peer.map_or_else(|| "–".to_owned(), |p| format!("{p}"));
            println!(
                "{:26} {:>12.3} {:6} {sign}{:>9} {peer:>9}  {}{}",
                f.name,
                f.value,
                f.unit,
                f.goal,
                if met { "" } else { "MISSED  " },
                f.note
            );
        }
        let rows: Vec<_> = self
            .figures
            .iter()
            .map(|f| {
                json!({
                    "name": f.name, "value": f.value, "unit": f.unit, "goal": f.goal,
                    "better": if matches!(f.better, Better::Lower) { "lower" } else { "higher" },
                    "peer": f.peer, "note": f.note,
                })
            })
            .collect();
        if let Some(path) = std::env::var_os("IMG_BENCH_OUT") {
            if let Some(dir) = std::path::Path::new(&path).parent() {
                std::fs::create_dir_all(dir).unwrap();
            }
            std::fs::write(&path, serde_json::to_string_pretty(&rows).unwrap()).unwrap();
        }
    }
}

/// The value at `share` (0.5: the median) of `values`.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}
