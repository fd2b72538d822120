# The appliance. Imports are in the order in which one builds on another; the
# order has no effect, it is for the reader.
{
  imports = [
    ./modules/appliance
    ./modules/supervisor
    ./modules/api
    ./modules/storage
    ./modules/network
    ./modules/time
    ./modules/access
    ./modules/hardening
    ./modules/cluster
    ./modules/gpu
    ./modules/logs
    ./modules/backup
    ./modules/upgrade
    ./modules/alerting
    ./modules/grafana
  ];
}
