// Reads typed events: those whose Go types it was built with, and any others by the relay's descriptors.
//
//	reader HOST:PORT SUBSCRIPTION COUNT
//
// acknowledges COUNT events and prints a line of each.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	acmev1 "example.com/reader/gen/acme/v1"
	stripev1 "github.com/hookstream/hookstream/clients/go/hookstream/stripe/v1"
	hookstreamv1 "github.com/hookstream/hookstream/clients/go/hookstream/v1"
)

// unlinked decodes a message that this program was built without.
func unlinked(ctx context.Context, schemas hookstreamv1.SchemaServiceClient, data *anypb.Any) (protoreflect.Message, error) {
	reply, err := schemas.GetDescriptors(ctx, &hookstreamv1.GetDescriptorsRequest{
		By: &hookstreamv1.GetDescriptorsRequest_Message{Message: data.TypeUrl},
	})
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(reply.FileDescriptorSet, set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	found, err := files.FindDescriptorByName(data.MessageName())
	if err != nil {
		return nil, err
	}
	message := dynamicpb.NewMessage(found.(protoreflect.MessageDescriptor))
	return message, proto.Unmarshal(data.Value, message)
}

// field reads a field of a message by its name in the proto.
func field(message protoreflect.Message, name protoreflect.Name) protoreflect.Value {
	return message.Get(message.Descriptor().Fields().ByName(name))
}

func describe(ctx context.Context, schemas hookstreamv1.SchemaServiceClient, data *anypb.Any) (string, error) {
	message, err := data.UnmarshalNew()
	if err == protoregistry.NotFound {
		message, err := unlinked(ctx, schemas, data)
		if err != nil {
			return "", err
		}
		repository := field(message, "repository").Message()
		return fmt.Sprintf("unlinked %s repository=%s id=%d", data.MessageName(),
			field(repository, "full_name").String(), field(repository, "id").Int()), nil
	}
	if err != nil {
		return "", err
	}
	switch event := message.(type) {
	case *stripev1.PaymentIntentEvent:
		payment := event.PaymentIntent
		return fmt.Sprintf("linked %s amount=%d status=%s created=%s order=%s", data.MessageName(), payment.Amount,
			payment.Status, event.Created.AsTime().Format(time.RFC3339), payment.Metadata["order"]), nil
	case *acmev1.OrderEvent:
		order := event.Order
		return fmt.Sprintf("own %s total=%d state=%s at=%s lines=%d last=%s channel=%s", data.MessageName(), order.Total,
			order.State, event.At.AsTime().Format(time.RFC3339), len(order.Lines), order.Lines[len(order.Lines)-1].Article,
			order.Labels["channel"]), nil
	}
	return "", fmt.Errorf("%s: nobody handles it", data.MessageName())
}

func run(target, subscription string, count int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection, err := grpc.Dial(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	schemas := hookstreamv1.NewSchemaServiceClient(connection)
	stream, err := hookstreamv1.NewSubscriberServiceClient(connection).Subscribe(ctx)
	if err != nil {
		return err
	}
	open := &hookstreamv1.Open{Target: &hookstreamv1.Open_Subscription{Subscription: subscription}}
	if err := stream.Send(&hookstreamv1.SubscribeRequest{Request: &hookstreamv1.SubscribeRequest_Open{Open: open}}); err != nil {
		return err
	}
	for read := 0; read < count; {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		settle := &hookstreamv1.SettleBatch{}
		for _, delivery := range response.GetDeliveries().GetDeliveries() {
			line, err := describe(ctx, schemas, delivery.Event.Data)
			if err != nil {
				return err
			}
			fmt.Println(line)
			settle.Settlements = append(settle.Settlements, &hookstreamv1.Settlement{
				DeliveryId: delivery.DeliveryId, Outcome: &hookstreamv1.Settlement_Ack{Ack: &hookstreamv1.Ack{}},
			})
			read++
		}
		if len(settle.Settlements) > 0 {
			if err := stream.Send(&hookstreamv1.SubscribeRequest{Request: &hookstreamv1.SubscribeRequest_Settle{Settle: settle}}); err != nil {
				return err
			}
		}
	}
	// The relay ends its half when it has taken what was sent.
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		if _, err := stream.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: reader HOST:PORT SUBSCRIPTION COUNT")
	}
	count, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	if err := run(os.Args[1], os.Args[2], count); err != nil {
		log.Fatal(err)
	}
}
