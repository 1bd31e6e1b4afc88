// franz-go, driven by tests/clients (the options, commands and events are described in ../README.md).
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type record struct {
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Key       string            `json:"key"`
	Value     string            `json:"value"`
	Headers   map[string]string `json:"headers"`
}

type options struct {
	Bootstrap           string              `json:"bootstrap"`
	CA                  string              `json:"ca"`
	Topic               string              `json:"topic"`
	Group               string              `json:"group"`
	Groups              []string            `json:"groups"`
	Assignor            string              `json:"assignor"`
	InstanceID          string              `json:"instance_id"`
	Pattern             string              `json:"pattern"`
	AutoCommit          bool                `json:"auto_commit"`
	StopAfter           int                 `json:"stop_after"`
	SessionTimeoutMs    int                 `json:"session_timeout_ms"`
	HeartbeatIntervalMs int                 `json:"heartbeat_interval_ms"`
	Compression         string              `json:"compression"`
	Batches             [][]record          `json:"batches"`
	Calls               [][]json.RawMessage `json:"calls"`
}

var stdout sync.Mutex

func emit(event string, fields map[string]any) {
	fields["event"] = event
	line, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	stdout.Lock()
	defer stdout.Unlock()
	fmt.Println(string(line))
}

func (given options) client(more ...kgo.Opt) (*kgo.Client, error) {
	settings := []kgo.Opt{kgo.SeedBrokers(given.Bootstrap), kgo.ClientID("franz-go")}
	if given.CA != "" {
		pem, err := os.ReadFile(given.CA)
		if err != nil {
			return nil, err
		}
		authorities := x509.NewCertPool()
		authorities.AppendCertsFromPEM(pem)
		settings = append(settings, kgo.DialTLSConfig(&tls.Config{RootCAs: authorities}))
	}
	return kgo.NewClient(append(settings, more...)...)
}

func produce(ctx context.Context, given options) error {
	codecs := map[string]kgo.CompressionCodec{
		"":       kgo.NoCompression(),
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	client, err := given.client(
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[given.Compression]),
		kgo.DefaultProduceTopic(given.Topic),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, batch := range given.Batches {
		var records []*kgo.Record
		for _, one := range batch {
			made := &kgo.Record{Partition: one.Partition, Key: []byte(one.Key), Value: []byte(one.Value)}
			for name, value := range one.Headers {
				made.Headers = append(made.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
			}
			records = append(records, made)
		}
		for _, result := range client.ProduceSync(ctx, records...) {
			if result.Err != nil {
				return result.Err
			}
			emit("sent", map[string]any{"partition": result.Record.Partition, "offset": result.Record.Offset})
		}
	}
	return nil
}

// assignment prints the whole assignment whenever it changes, incrementally or not.
type assignment struct {
	commits    bool
	mutex      sync.Mutex
	partitions []int32
}

func (held *assignment) add(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	held.change(func(topic []int32) []int32 { return append(held.partitions, topic...) }, added)
}

// remove commits what was read first: with automatic commits that is the work of whoever overrides the callback.
func (held *assignment) remove(ctx context.Context, client *kgo.Client, removed map[string][]int32) {
	if held.commits {
		if err := client.CommitUncommittedOffsets(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	held.change(func(topic []int32) []int32 {
		return slices.DeleteFunc(held.partitions, func(one int32) bool { return slices.Contains(topic, one) })
	}, removed)
}

func (held *assignment) change(apply func([]int32) []int32, topics map[string][]int32) {
	held.mutex.Lock()
	defer held.mutex.Unlock()
	for _, topic := range topics {
		held.partitions = apply(topic)
	}
	slices.Sort(held.partitions)
	emit("assigned", map[string]any{"partitions": append([]int32{}, held.partitions...)})
}

func member(ctx context.Context, given options) error {
	balancers := map[string]kgo.GroupBalancer{
		"":                   kgo.RangeBalancer(),
		"range":              kgo.RangeBalancer(),
		"roundrobin":         kgo.RoundRobinBalancer(),
		"sticky":             kgo.StickyBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer(),
	}
	held := &assignment{commits: given.AutoCommit}
	settings := []kgo.Opt{
		kgo.ConsumerGroup(given.Group),
		kgo.MetadataMinAge(time.Second),
		kgo.MetadataMaxAge(time.Second),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(balancers[given.Assignor]),
		kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.OnPartitionsAssigned(held.add),
		kgo.OnPartitionsRevoked(held.remove),
		kgo.OnPartitionsLost(held.remove),
		kgo.AutoCommitInterval(100 * time.Millisecond),
	}
	if !given.AutoCommit {
		settings = append(settings, kgo.DisableAutoCommit())
	}
	if given.Pattern != "" {
		settings = append(settings, kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+given.Pattern+"$"))
	} else {
		settings = append(settings, kgo.ConsumeTopics(given.Topic))
	}
	if given.InstanceID != "" {
		settings = append(settings, kgo.InstanceID(given.InstanceID))
	}
	if given.SessionTimeoutMs != 0 {
		settings = append(settings, kgo.SessionTimeout(time.Duration(given.SessionTimeoutMs)*time.Millisecond))
	}
	if given.HeartbeatIntervalMs != 0 {
		settings = append(settings, kgo.HeartbeatInterval(time.Duration(given.HeartbeatIntervalMs)*time.Millisecond))
	}
	client, err := given.client(settings...)
	if err != nil {
		return err
	}
	defer client.Close()
	reading, stop := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	for received := 0; given.StopAfter == 0 || received < given.StopAfter; {
		fetches := client.PollFetches(reading)
		if reading.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, one := range fetches.Records() {
			received++
			headers := map[string]string{}
			for _, header := range one.Headers {
				headers[header.Key] = string(header.Value)
			}
			emit("record", map[string]any{
				"partition": one.Partition, "offset": one.Offset,
				"key": string(one.Key), "value": string(one.Value), "headers": headers,
			})
		}
		if given.AutoCommit {
			continue
		}
		if err := client.CommitRecords(ctx, fetches.Records()...); err != nil {
			return err
		}
		for partition, offset := range client.CommittedOffsets()[given.Topic] {
			emit("committed", map[string]any{"partition": partition, "offset": offset.Offset})
		}
	}
	return nil
}

func firstRecords(ctx context.Context, given options) error {
	for _, group := range given.Groups {
		began := time.Now()
		client, err := given.client(
			kgo.ConsumerGroup(group),
			kgo.ConsumeTopics(given.Topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		)
		if err != nil {
			return err
		}
		err = client.PollFetches(ctx).Err()
		took := time.Since(began)
		client.Close()
		if err != nil {
			return err
		}
		emit("first_record", map[string]any{
			"group": group, "began_ms": float64(began.UnixMicro()) / 1e3, "ms": took.Seconds() * 1e3,
		})
	}
	return nil
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	var given options
	err := json.Unmarshal([]byte(os.Args[2]), &given)
	commands := map[string]func(context.Context, options) error{
		"produce": produce, "member": member, "admin": admin, "first_records": firstRecords,
	}
	if err == nil {
		err = commands[os.Args[1]](ctx, given)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
