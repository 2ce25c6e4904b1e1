#!/bin/sh
# Lets a team read the public topics with groups of its own, and nothing more:
#   acls.sh BOOTSTRAP TEAM [options of kafka-acls.sh, such as --command-config admin.properties]
set -eu
bootstrap=$1 team=$2
shift 2
prefix=${POSTROOM_TOPIC_PREFIX:-postroom-}
kafka-acls.sh --bootstrap-server "$bootstrap" "$@" --add --allow-principal "User:$team" \
  --operation Read --operation Describe --topic "${prefix}conversation-events" --topic "${prefix}conversation-states"
kafka-acls.sh --bootstrap-server "$bootstrap" "$@" --add --allow-principal "User:$team" \
  --operation Read --operation Describe --group "$team-" --resource-pattern-type prefixed
