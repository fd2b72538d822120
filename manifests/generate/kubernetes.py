"""What runs in the cluster, and the cluster's own parts."""

from grafana import Board, choice, graph, row, source, stat, table

N = 'namespace=~"$namespace"'
R = "[$__rate_interval]"
NAMESPACES = choice(
    "namespace", "Namespace", "namespace:container_memory_working_set_bytes:sum", "namespace"
)


def boards() -> list[Board]:
    return [
        Board(
            "kubernetes",
            "Kubernetes workloads",
            "What runs in the cluster and whether it is all there; then the API server, the kubelets and DNS.",
            (source(), NAMESPACES),
            (
                stat(
                    "Nodes ready",
                    "Nodes that say they are ready.",
                    'sum(kube_node_status_condition{condition="Ready", status="true"})',
                ),
                stat(
                    "Nodes not ready",
                    "Nodes that are not, or that are not heard of.",
                    'sum(kube_node_status_condition{condition="Ready", status!="true"})',
                    steps=(("red", 1),),
                ),
                stat(
                    "Pods running",
                    "Pods in phase Running.",
                    f'sum(kube_pod_status_phase{{phase="Running", {N}}})',
                ),
                stat(
                    "Pods waiting",
                    "Pods in phase Pending, Failed or Unknown.",
                    f'sum(kube_pod_status_phase{{phase=~"Pending|Failed|Unknown", {N}}})',
                    steps=(("yellow", 1),),
                ),
                stat(
                    "Replicas missing",
                    "Replicas of Deployments and StatefulSets that are wanted and not ready.",
                    f"sum(kube_deployment_spec_replicas{{{N}}} - kube_deployment_status_replicas_available{{{N}}}) + sum(kube_statefulset_replicas{{{N}}} - kube_statefulset_status_replicas_ready{{{N}}})",
                    steps=(("red", 1),),
                ),
                stat(
                    "Jobs failed",
                    "Jobs that ended without success.",
                    f"sum(kube_job_status_failed{{{N}}})",
                    steps=(("yellow", 1),),
                ),
                row("Workloads"),
                graph(
                    "CPU by namespace",
                    "Processors used by containers.",
                    "cores",
                    (f"namespace:container_cpu_usage_seconds:sum_rate5m{{{N}}}", "{{namespace}}"),
                    stacked=True,
                ),
                graph(
                    "Memory by namespace",
                    "Working set of containers: what cannot be taken back.",
                    "bytes",
                    (f"namespace:container_memory_working_set_bytes:sum{{{N}}}", "{{namespace}}"),
                    stacked=True,
                ),
                graph(
                    "CPU asked for",
                    "What pods reserve in what nodes have to give.",
                    "percentunit",
                    (
                        f'sum by (namespace) (kube_pod_container_resource_requests{{resource="cpu", {N}}}) / scalar(sum(kube_node_status_allocatable{{resource="cpu"}}))',
                        "{{namespace}}",
                    ),
                    stacked=True,
                ),
                graph(
                    "Memory asked for",
                    "What pods reserve in what nodes have to give.",
                    "percentunit",
                    (
                        f'sum by (namespace) (kube_pod_container_resource_requests{{resource="memory", {N}}}) / scalar(sum(kube_node_status_allocatable{{resource="memory"}}))',
                        "{{namespace}}",
                    ),
                    stacked=True,
                ),
                table(
                    "Deployments",
                    "Replicas that are wanted and those that are there.",
                    f"sum by (namespace, deployment) (kube_deployment_spec_replicas{{{N}}})",
                    f"sum by (deployment) (kube_deployment_status_replicas_available{{{N}}})",
                    join="deployment",
                    width=12,
                    titles={
                        "namespace": "Namespace",
                        "deployment": "Deployment",
                        "Value #A": "Wanted",
                        "Value #B": "There",
                    },
                ),
                table(
                    "StatefulSets",
                    "Replicas that are wanted and those that are ready.",
                    f"sum by (namespace, statefulset) (kube_statefulset_replicas{{{N}}})",
                    f"sum by (statefulset) (kube_statefulset_status_replicas_ready{{{N}}})",
                    join="statefulset",
                    width=12,
                    titles={
                        "namespace": "Namespace",
                        "statefulset": "StatefulSet",
                        "Value #A": "Wanted",
                        "Value #B": "There",
                    },
                ),
                table(
                    "Quotas",
                    "Part of what a namespace may have that it has.",
                    f'max by (namespace, resource) (kube_resourcequota{{type="used", {N}}}) / (max by (namespace, resource) (kube_resourcequota{{type="hard", {N}}}) > 0)',
                    width=12,
                    units={"Value": "percentunit"},
                    titles={"namespace": "Namespace", "resource": "Resource", "Value": "Used"},
                ),
                table(
                    "Restarts",
                    "Containers by how often they were started anew in the last hour.",
                    f"topk(20, changes(namespace_pod_container:container_start_time_seconds:max{{{N}}}[1h]))",
                    width=12,
                    titles={
                        "namespace": "Namespace",
                        "pod": "Pod",
                        "container": "Container",
                        "Value": "Restarts",
                    },
                    runbooks=("ContainerRestartsOften",),
                ),
                row("API server"),
                graph(
                    "Requests",
                    "By verb.",
                    "reqps",
                    ("sum by (verb) (verb_code:apiserver_requests:sum_rate5m{})", "{{verb}}"),
                    stacked=True,
                ),
                graph(
                    "Errors",
                    "Part of the requests that failed by the server's fault.",
                    "percentunit",
                    ("job:apiserver_request_errors:ratio_rate5m{}", "errors"),
                    runbooks=("ApiServerErrors",),
                ),
                graph(
                    "Latency",
                    "How long the slowest in a hundred requests took; watches are left out.",
                    "s",
                    ("verb:apiserver_request_duration_seconds:p99_rate5m{}", "{{verb}}"),
                ),
                graph(
                    "Memory and CPU",
                    "Of the process: in K3s that is the whole control plane with the kubelet.",
                    "bytes",
                    ('process_resident_memory_bytes{job="apiserver"}', "memory"),
                ),
                graph(
                    "Objects",
                    "Objects of the kinds there are most of.",
                    "none",
                    (
                        'topk(10, max by (resource) (apiserver_storage_objects{job="apiserver"} >= 0))',
                        "{{resource}}",
                    ),
                ),
                graph(
                    "Work queues",
                    "Objects that wait for a controller.",
                    "none",
                    ('topk(10, sum by (name) (workqueue_depth{job="apiserver"}))', "{{name}}"),
                ),
                row("Kubelets and DNS"),
                graph(
                    "Pods and containers",
                    "What the kubelets run.",
                    "none",
                    ('kubelet_running_pods{job="kubelet"}', "{{instance}} pods"),
                    (
                        'kubelet_running_containers{job="kubelet", container_state="running"}',
                        "{{instance}} containers",
                    ),
                ),
                graph(
                    "Start of a pod",
                    "The slowest in a hundred, without the pull of its images.",
                    "s",
                    (
                        "instance:kubelet_pod_start_sli_duration_seconds:p99_rate5m{}",
                        "{{instance}}",
                    ),
                ),
                graph(
                    "Container runtime",
                    "The slowest in a hundred calls, by kind.",
                    "s",
                    (
                        "instance_operation:kubelet_runtime_operations_duration_seconds:p99_rate5m{}",
                        "{{instance}} {{operation_type}}",
                    ),
                ),
                graph(
                    "DNS queries",
                    "By the kind of answer.",
                    "reqps",
                    (
                        f'sum by (rcode) (rate(coredns_dns_responses_total{{job="coredns"}}{R}))',
                        "{{rcode}}",
                    ),
                    stacked=True,
                    runbooks=("DnsFailing",),
                ),
                graph(
                    "DNS latency",
                    "The slowest in a hundred answers.",
                    "s",
                    ("job:coredns_dns_request_duration_seconds:p99_rate5m{}", "p99"),
                    width=24,
                ),
            ),
            alerts='ALERTS{alertname=~"ApiServer.*|Kube.*|Container.*|Dns.*", alertstate="firing"}',
        )
    ]
