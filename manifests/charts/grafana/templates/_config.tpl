{{/*
grafana.ini. Nothing in it is a secret: passwords and keys are read from files
of mounted Secrets when Grafana starts. Nothing in it leaves the box either: no
reports, no look-ups of updates, plugins, keys of plugins, news or pictures.
*/}}
{{- define "grafana.ini" -}}
app_mode = production
instance_name = odin

[paths]
# A directory of its own: the root of a volume may hold lost+found.
data = /grafana/data
logs = /grafana/logs
plugins = /grafana/plugins
provisioning = /etc/grafana/provisioning

[server]
protocol = http
http_port = 3000
root_url = {{ .Values.rootUrl }}
enable_gzip = true

[database]
type = sqlite3
path = grafana.db
# Readers are not kept out while something is written, and a backup of the
# volume finds a database that can be opened.
wal = true

[security]
admin_user = {{ .Values.admin.user }}
admin_password = $__file{/secrets/admin/admin-password}
secret_key = $__file{/secrets/admin/secret-key}
disable_gravatar = true
cookie_secure = {{ hasPrefix "https://" .Values.rootUrl }}
# The way back from an OIDC provider is a navigation from another site.
cookie_samesite = lax
allow_embedding = false
content_security_policy = true
x_content_type_options = true

[users]
allow_sign_up = false
allow_org_create = false
auto_assign_org = true
auto_assign_org_role = Viewer
viewers_can_edit = false

[auth]
disable_login_form = false

[auth.anonymous]
enabled = false

[auth.basic]
enabled = true

[service_accounts]
# A token without an end is one that nobody takes back.
token_expiration_day_limit = 365

[auth.generic_oauth]
enabled = {{ .Values.oidc.enabled }}
{{- if .Values.oidc.enabled }}
name = {{ .Values.oidc.name }}
client_id = {{ .Values.oidc.clientId }}
client_secret = $__file{/secrets/oidc/{{ .Values.oidc.clientSecret.key }}}
scopes = {{ .Values.oidc.scopes }}
auth_url = {{ .Values.oidc.authUrl }}
token_url = {{ .Values.oidc.tokenUrl }}
api_url = {{ .Values.oidc.apiUrl }}
use_pkce = true
allow_sign_up = true
role_attribute_path = {{ .Values.oidc.rolePath }}
allow_assign_grafana_admin = false
{{- end }}

[analytics]
enabled = false
reporting_enabled = false
check_for_updates = false
check_for_plugin_updates = false
feedback_links_enabled = false

[plugins]
plugin_admin_enabled = false
preinstall_disabled = true
public_key_retrieval_disabled = true

[news]
news_feed_enabled = false

[snapshots]
enabled = false
external_enabled = false

[unified_alerting]
# Shows the rules of Prometheus and the silences of Alertmanager; evaluates none
# of its own, so that an alert has one place it comes from.
enabled = true
execute_alerts = false

[dashboards]
default_home_dashboard_path = /dashboards/{{ .Values.dashboards.home }}.json
min_refresh_interval = 5s

[metrics]
enabled = true

[log]
mode = console
level = info

[log.console]
format = json
{{- end }}

{{/* Datasources, with uids that never change: dashboards and queries name them. */}}
{{- define "grafana.datasources" -}}
apiVersion: 1
# One that was provisioned once and is no longer, is removed.
prune: true
datasources:
  - name: Prometheus
    uid: prometheus
    type: prometheus
    access: proxy
    url: {{ .Values.datasources.prometheus }}
    isDefault: true
    editable: false
    jsonData:
      httpMethod: POST
      timeInterval: {{ .Values.datasources.scrapeInterval }}
      prometheusType: Prometheus
      manageAlerts: true
      alertmanagerUid: alertmanager
  - name: Loki
    uid: loki
    type: loki
    access: proxy
    url: {{ .Values.datasources.loki }}
    editable: false
    jsonData:
      maxLines: 1000
  - name: Alertmanager
    uid: alertmanager
    type: alertmanager
    access: proxy
    url: {{ .Values.datasources.alertmanager }}
    editable: false
    jsonData:
      implementation: prometheus
      # Rules are Prometheus', which sends its alerts itself.
      handleGrafanaManagedAlerts: false
{{- end }}

{{/* Dashboards from the mounted ConfigMaps: a changed one is there within minutes. */}}
{{- define "grafana.dashboards" -}}
apiVersion: 1
providers:
  - name: odin
    folder: {{ .Values.dashboards.folder }}
    type: file
    # What is provisioned is the bundle's; a person saves a copy of it.
    allowUiUpdates: false
    disableDeletion: true
    updateIntervalSeconds: 30
    options:
      path: /dashboards
{{- end }}
