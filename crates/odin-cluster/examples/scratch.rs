//! Scratch.
#![allow(clippy::print_stdout, clippy::unwrap_used)]
use std::path::PathBuf;
use odin_cluster::{bundle::*, *};
#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let options = BuildOptions { overlay: PathBuf::from(&arguments[1]), out: PathBuf::from(&arguments[2]), helm: PathBuf::from(&arguments[3]), kubectl: PathBuf::from(&arguments[4]) };
    match build(&options) { Ok(bundle) => {
        println!("{}", bundle.show());
        for finding in lint(&options.out) { println!("{finding}"); }
        let cluster = Cluster::connect(&PathBuf::from(&arguments[5])).await.unwrap();
        let desired = Desired::new(&bundle, &[]).unwrap();
        let settings = Settings::default();
        let observation = cluster.observe(&desired, &settings.state_namespace).await.unwrap();
        let plan = plan::plan(&desired, &observation, &settings);
        println!("{plan}");
        let store = undo::MemoryStore::default();
        let changes = apply::apply(&cluster, &desired, &plan, &settings, &store, &odin_model::event::Silent).await.unwrap();
        println!("{changes}");
        let observation = cluster.observe(&desired, &settings.state_namespace).await.unwrap();
        println!("{}", plan::plan(&desired, &observation, &settings));
    }, Err(error) => println!("error: {error}\nhint: {:?}", error.hint()) }
}
