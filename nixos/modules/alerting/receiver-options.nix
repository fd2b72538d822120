# Receivers: names, addresses, and files with what is secret of them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  secret = types.externalPath;
  text = types.strMatching ".+";
  way =
    example: description: options:
    mkOption {
      type = types.nullOr (types.submodule { inherit options; });
      default = null;
      inherit example description;
    };
  optional =
    type: example: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit example description;
    };
  required =
    type: example: description:
    mkOption { inherit type example description; };

  mail = {
    to = "ops@example.org";
    from = "odin@example.org";
    smarthost = "mail.example.org:587";
  };
  chat = {
    channel = "#ops";
    urlFile = "/var/lib/odin/credentials/slack-url";
  };
  pager.routingKeyFile = "/var/lib/odin/credentials/pagerduty-key";
  hook.url = "https://hooks.example.org/odin";
in
{
  options.odin.alerting.receivers = mkOption {
    type = types.listOf (
      types.submodule {
        options = {
          name = required (types.strMatching "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?") "ops" ''
            Its name in routes and reports.
          '';
          email = way mail "By e-mail." {
            to = required text "ops@example.org" "Addresses it goes to, by comma.";
            from = required text "odin@example.org" "Address it comes from.";
            smarthost = required (types.strMatching ".+:[0-9]+") "mail.example.org:587" ''
              Host and port of the mail server. Alertmanager's network policy
              lets 443 and 587 out; another port needs the chart's value
              `network.receivers.ports`.
            '';
            username = optional text "odin" ''
              Who ODIN is to the mail server; needs `passwordFile`.
            '';
            passwordFile = optional secret "/var/lib/odin/credentials/smtp-password" ''
              File with that user's password.
            '';
            requireTls = mkOption {
              type = types.bool;
              default = true;
              example = false;
              description = ''
                Whether a mail server without TLS is refused. When false, alerts
                and password can be read on the way.
              '';
            };
          };
          slack = way chat "In a channel of Slack, or of what speaks as it does." {
            channel = required text "#ops" "Channel or user.";
            urlFile = required secret "/var/lib/odin/credentials/slack-url" ''
              File with the incoming webhook's URL, which is a secret.
            '';
          };
          pagerduty = way pager "Through PagerDuty." {
            routingKeyFile = required secret "/var/lib/odin/credentials/pagerduty-key" ''
              File with the routing key of an integration of the Events API v2.
            '';
          };
          webhook = way hook "By a POST of Alertmanager's JSON." {
            url = optional (types.strMatching "https?://[^@]+") "https://hooks.example.org/odin" ''
              Address, where it is no secret. Exactly one of `url` and `urlFile`.
            '';
            urlFile = optional secret "/var/lib/odin/credentials/hook-url" ''
              File with the address, where it is one.
            '';
            bearerTokenFile = optional secret "/var/lib/odin/credentials/hook-token" ''
              File with a bearer token.
            '';
          };
        };
      }
    );
    default = [ ];
    example = [
      {
        name = "ops";
        webhook.url = "https://hooks.example.org/odin";
      }
    ];
    description = ''
      Who can be told, each in one or more ways. Files are read when the bundle
      is applied; a path of the Nix store is refused, because everybody on the
      machine could read it.
    '';
  };
}
