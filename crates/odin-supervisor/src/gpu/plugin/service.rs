//! What a plugin answers the kubelet.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::Stream;
use odin_gpu::allocation::preferred::{self, preferred};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use super::api;
use crate::gpu::Offer;

type HttpRequest = tonic::codegen::http::Request<Body>;
type HttpResponse = tonic::codegen::http::Response<Body>;

/// One resource's plugin, cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct DevicePlugin {
    resource: String,
    offers: watch::Receiver<Arc<Offer>>,
    listeners: Listeners,
    /// True, or without a sender, when the plugin's socket is given up.
    ended: watch::Receiver<bool>,
}

/// How many listen to the list of devices at this moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners(Arc<AtomicUsize>);

/// One who listens, counted while it lives.
struct Listener(Listeners);

impl Listeners {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn enter(&self) -> Listener {
        self.0.fetch_add(1, Ordering::SeqCst);
        Listener(self.clone())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl DevicePlugin {
    pub(super) fn new(
        resource: String,
        offers: watch::Receiver<Arc<Offer>>,
        listeners: Listeners,
        ended: watch::Receiver<bool>,
    ) -> Self {
        Self { resource, offers, listeners, ended }
    }

    fn offer(&self) -> Arc<Offer> {
        Arc::clone(&self.offers.borrow())
    }

    fn devices(&self, offer: &Offer) -> api::ListAndWatchResponse {
        let devices = offer.resource(&self.resource).into_iter().flat_map(|resource| &resource.devices);
        api::ListAndWatchResponse {
            devices: devices
                .map(|device| api::Device {
                    id: device.id.clone(),
                    health: if device.fault.is_none() { api::HEALTHY } else { api::UNHEALTHY }.to_owned(),
                    topology: device
                        .numa
                        .map(|node| api::TopologyInfo { nodes: vec![api::NumaNode { id: node.into() }] }),
                })
                .collect(),
        }
    }

    /// The list now, and again whenever it is another.
    fn list(&self) -> impl Stream<Item = Result<api::ListAndWatchResponse, Status>> + Send + use<> {
        let begin = (self.clone(), self.listeners.enter(), None);
        futures::stream::unfold(begin, |(mut plugin, listener, mut sent)| async move {
            loop {
                let offer = Arc::clone(&plugin.offers.borrow_and_update());
                let list = plugin.devices(&offer);
                if sent.as_ref() != Some(&list) {
                    sent = Some(list.clone());
                    return Some((Ok(list), (plugin, listener, sent)));
                }
                tokio::select! {
                    // Nobody looks at the GPUs any more: the kubelet shall know.
                    changed = plugin.offers.changed() => changed.ok()?,
                    _ = plugin.ended.wait_for(|ended| *ended) => return None,
                }
            }
        })
    }

    fn prefer(
        &self,
        request: api::PreferredAllocationRequest,
    ) -> Result<api::PreferredAllocationResponse, Status> {
        let offer = self.offer();
        let resource = offer.resource(&self.resource).ok_or_else(|| self.gone())?;
        let choose = |container: api::ContainerPreferredAllocationRequest| {
            let size = usize::try_from(container.allocation_size).map_err(|_| {
                Status::invalid_argument(format!("allocation_size is {}", container.allocation_size))
            })?;
            let request = preferred::Request {
                available: &container.available_device_ids,
                required: &container.must_include_device_ids,
                size,
            };
            preferred(resource, &offer.gpus, offer.policy, request)
                .map(|device_ids| api::ContainerPreferredAllocationResponse { device_ids })
                .map_err(|impossible| Status::invalid_argument(impossible.to_string()))
        };
        let container_responses =
            request.container_requests.into_iter().map(choose).collect::<Result<_, _>>()?;
        Ok(api::PreferredAllocationResponse { container_responses })
    }

    fn allocate(&self, request: api::AllocateRequest) -> Result<api::AllocateResponse, Status> {
        let offer = self.offer();
        let containers = request.container_requests.iter();
        let container_responses =
            containers.map(|container| self.allocate_one(&offer, container)).collect::<Result<_, _>>()?;
        Ok(api::AllocateResponse { container_responses })
    }

    fn allocate_one(
        &self,
        offer: &Offer,
        request: &api::ContainerAllocateRequest,
    ) -> Result<api::ContainerAllocateResponse, Status> {
        let resource = offer.resource(&self.resource).ok_or_else(|| self.gone())?;
        let wanted = request.devices_ids.len();
        if resource.only_one && wanted > 1 {
            return Err(Status::invalid_argument(format!(
                "a container may have one {}, not {wanted}: replicas of a device are not more of it",
                self.resource
            )));
        }
        // Replicas of one device are one device in the container.
        let mut names = BTreeSet::new();
        for id in &request.devices_ids {
            let device = resource
                .devices
                .iter()
                .find(|device| device.id == *id)
                .ok_or_else(|| Status::not_found(format!("{} has no device {id:?}", self.resource)))?;
            if let Some(fault) = &device.fault {
                let message = format!("{id} must not be given out: {}: {}", fault.reason, fault.message);
                return Err(Status::failed_precondition(message));
            }
            // A device without a name has a fault.
            names.extend(offer.names.get(&device.uuid).cloned());
        }
        tracing::info!(resource = self.resource, devices = ?request.devices_ids, ?names, "allocated");
        let cdi_devices = names.into_iter().map(|name| api::CdiDevice { name }).collect();
        Ok(api::ContainerAllocateResponse { cdi_devices })
    }

    fn gone(&self) -> Status {
        Status::unavailable(format!("this machine has no {} any more", self.resource))
    }

    async fn answer(self, request: HttpRequest) -> HttpResponse {
        match request.uri().path() {
            api::OPTIONS => {
                let method = service_fn(|_: Request<api::Empty>| async {
                    Ok::<_, Status>(Response::new(api::DevicePluginOptions {
                        pre_start_required: false,
                        get_preferred_allocation_available: true,
                    }))
                });
                Grpc::new(ProstCodec::default()).unary(method, request).await
            }
            api::LIST_AND_WATCH => {
                let method = service_fn(|_: Request<api::Empty>| async {
                    Ok::<_, Status>(Response::new(self.list()))
                });
                Grpc::new(ProstCodec::default()).server_streaming(method, request).await
            }
            api::PREFERRED => {
                let method = service_fn(|request: Request<_>| async {
                    self.prefer(request.into_inner()).map(Response::new)
                });
                Grpc::new(ProstCodec::default()).unary(method, request).await
            }
            api::ALLOCATE => {
                let method = service_fn(|request: Request<_>| async {
                    self.allocate(request.into_inner()).map(Response::new)
                });
                Grpc::new(ProstCodec::default()).unary(method, request).await
            }
            api::PRE_START => {
                let method = service_fn(|_: Request<api::Empty>| async {
                    Ok::<_, Status>(Response::new(api::Empty {}))
                });
                Grpc::new(ProstCodec::default()).unary(method, request).await
            }
            path => Status::unimplemented(format!("{path} is not a method of v1beta1")).into_http(),
        }
    }
}

impl Service<HttpRequest> for DevicePlugin {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async move { Ok(answer.await) })
    }
}
