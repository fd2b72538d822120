# The reading API over TCP.
{ config, lib, ... }:
let
  inherit (lib) literalExpression mkOption types;
in
{
  options.odin.api = {
    enable = mkOption {
      type = types.bool;
      default = config.odin.cluster.role == "server";
      defaultText = literalExpression "odin.cluster.role == \"server\"";
      example = false;
      description = ''
        Whether the supervisor serves the reading API and the page over TCP, with
        TLS and tokens. Without it Prometheus has no metrics of the supervisor.
      '';
    };

    address = mkOption {
      type = types.nonEmptyStr;
      default = "0.0.0.0";
      example = "10.0.0.11";
      description = ''
        Address the supervisor listens on. Prometheus, which runs in a pod, does
        not reach it on `127.0.0.1`.
      '';
    };

    port = mkOption {
      type = types.port;
      default = 9480;
      example = 8443;
      description = ''
        Port the supervisor listens on. The network policy of Prometheus lets
        9480 through; another port needs another policy.
      '';
    };

    names = mkOption {
      type = types.listOf types.nonEmptyStr;
      default = [ ];
      example = [
        "gpu-01.example.org"
        "10.0.0.11"
      ];
      description = ''
        Further names and addresses for the certificate. The host name,
        `localhost` and the machine's own address are in it anyway.
      '';
    };

    open = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether the firewall lets others than the pods of this node reach the
        port. Everything but `/healthz`, `/readyz`, the login and the runbooks
        asks for a token.
      '';
    };
  };
}
