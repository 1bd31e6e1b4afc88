package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// admin runs options.calls, [[name, subject, number], ...], and prints one event each, with a result or an error.
func admin(ctx context.Context, given options) error {
	client, err := given.client()
	if err != nil {
		return err
	}
	defer client.Close()
	for _, call := range given.Calls {
		var name, subject string
		var number int64
		for index, target := range []any{&name, &subject, &number} {
			if index < len(call) {
				if err := json.Unmarshal(call[index], target); err != nil {
					return err
				}
			}
		}
		result, err := adminCall(ctx, kadm.NewClient(client), name, subject, number)
		var code *kerr.Error
		switch {
		case err == nil:
			emit(name, map[string]any{"result": result})
		case errors.As(err, &code):
			emit(name, map[string]any{"error": code.Message})
		default:
			return err
		}
	}
	return nil
}

func adminCall(ctx context.Context, client *kadm.Client, name, subject string, number int64) (any, error) {
	switch name {
	case "BrokerMetadata":
		metadata, err := client.BrokerMetadata(ctx)
		var addresses []string
		for _, broker := range metadata.Brokers {
			addresses = append(addresses, fmt.Sprintf("%s:%d", broker.Host, broker.Port))
		}
		return addresses, err
	case "CreateTopic":
		made, err := client.CreateTopic(ctx, int32(number), 1, nil, subject)
		return made.NumPartitions, err
	case "ListTopics":
		topics, err := client.ListTopics(ctx)
		return topics.Names(), err
	case "UpdatePartitions":
		updated, err := client.UpdatePartitions(ctx, int(number), subject)
		return nil, errors.Join(err, updated.Error())
	case "ListEndOffsets":
		listed, err := client.ListEndOffsets(ctx, subject)
		return offsets(listed), err
	case "ListStartOffsets":
		listed, err := client.ListStartOffsets(ctx, subject)
		return offsets(listed), err
	case "ListOffsetsAfterMilli":
		listed, err := client.ListOffsetsAfterMilli(ctx, number, subject)
		return offsets(listed), err
	case "DeleteTopics":
		deleted, err := client.DeleteTopics(ctx, subject)
		return nil, errors.Join(err, deleted.Error())
	case "ListGroups":
		groups, err := client.ListGroups(ctx)
		return groups.Groups(), err
	case "DescribeGroups":
		groups, err := client.DescribeGroups(ctx, subject)
		return map[string]any{"state": groups[subject].State, "members": len(groups[subject].Members)}, err
	case "FetchOffsets":
		fetched, err := client.FetchOffsets(ctx, subject)
		result := map[int32]int64{}
		fetched.Each(func(one kadm.OffsetResponse) { result[one.Partition] = one.At })
		return result, err
	case "DeleteGroup":
		_, err := client.DeleteGroup(ctx, subject)
		return nil, err
	}
	return nil, fmt.Errorf("no such call: %s", name)
}

func offsets(listed kadm.ListedOffsets) map[int32]int64 {
	result := map[int32]int64{}
	listed.Each(func(one kadm.ListedOffset) { result[one.Partition] = one.Offset })
	return result
}
