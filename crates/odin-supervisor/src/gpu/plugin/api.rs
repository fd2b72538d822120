//! Messages of `v1beta1`, with the field numbers of api.proto.
//!
//! What ODIN neither sends nor reads is left out: protobuf skips it.

use prost::Message;

/// Version of the API in a registration.
pub(super) const VERSION: &str = "v1beta1";
/// The kubelet's word for a device that may be given out.
pub(super) const HEALTHY: &str = "Healthy";
/// The kubelet's word for one that may not.
pub(super) const UNHEALTHY: &str = "Unhealthy";
/// Name of the kubelet's own socket.
pub(super) const KUBELET_SOCKET: &str = "kubelet.sock";

/// Path of the kubelet's one method.
pub(super) const REGISTER: &str = "/v1beta1.Registration/Register";
/// Paths of a plugin's methods.
pub(super) const OPTIONS: &str = "/v1beta1.DevicePlugin/GetDevicePluginOptions";
pub(super) const LIST_AND_WATCH: &str = "/v1beta1.DevicePlugin/ListAndWatch";
pub(super) const PREFERRED: &str = "/v1beta1.DevicePlugin/GetPreferredAllocation";
pub(super) const ALLOCATE: &str = "/v1beta1.DevicePlugin/Allocate";
pub(super) const PRE_START: &str = "/v1beta1.DevicePlugin/PreStartContainer";

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Empty {}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DevicePluginOptions {
    #[prost(bool, tag = "1")]
    pub(super) pre_start_required: bool,
    #[prost(bool, tag = "2")]
    pub(super) get_preferred_allocation_available: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct RegisterRequest {
    #[prost(string, tag = "1")]
    pub(super) version: String,
    /// Name of the plugin's socket in the same directory.
    #[prost(string, tag = "2")]
    pub(super) endpoint: String,
    #[prost(string, tag = "3")]
    pub(super) resource_name: String,
    #[prost(message, optional, tag = "4")]
    pub(super) options: Option<DevicePluginOptions>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ListAndWatchResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) devices: Vec<Device>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Device {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) health: String,
    #[prost(message, optional, tag = "3")]
    pub(super) topology: Option<TopologyInfo>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct TopologyInfo {
    #[prost(message, repeated, tag = "1")]
    pub(super) nodes: Vec<NumaNode>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct NumaNode {
    #[prost(int64, tag = "1")]
    pub(super) id: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PreferredAllocationRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) container_requests: Vec<ContainerPreferredAllocationRequest>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ContainerPreferredAllocationRequest {
    #[prost(string, repeated, tag = "1")]
    pub(super) available_device_ids: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(super) must_include_device_ids: Vec<String>,
    #[prost(int32, tag = "3")]
    pub(super) allocation_size: i32,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PreferredAllocationResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) container_responses: Vec<ContainerPreferredAllocationResponse>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ContainerPreferredAllocationResponse {
    #[prost(string, repeated, tag = "1")]
    pub(super) device_ids: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct AllocateRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) container_requests: Vec<ContainerAllocateRequest>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ContainerAllocateRequest {
    #[prost(string, repeated, tag = "1")]
    pub(super) devices_ids: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct AllocateResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) container_responses: Vec<ContainerAllocateResponse>,
}

/// Environment, mounts, device nodes and annotations (1 to 4) are the
/// specification's affair: containerd puts them in by the names.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ContainerAllocateResponse {
    #[prost(message, repeated, tag = "5")]
    pub(super) cdi_devices: Vec<CdiDevice>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct CdiDevice {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}
