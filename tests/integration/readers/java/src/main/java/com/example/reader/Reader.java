package com.example.reader;

import com.acme.v1.Order;
import com.acme.v1.OrderEvent;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.DescriptorValidationException;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Timestamp;
import dev.hookstream.stripe.v1.PaymentIntent;
import dev.hookstream.stripe.v1.PaymentIntentEvent;
import dev.hookstream.v1.Ack;
import dev.hookstream.v1.Delivery;
import dev.hookstream.v1.GetDescriptorsRequest;
import dev.hookstream.v1.Open;
import dev.hookstream.v1.SchemaServiceGrpc;
import dev.hookstream.v1.SettleBatch;
import dev.hookstream.v1.Settlement;
import dev.hookstream.v1.SubscribeRequest;
import dev.hookstream.v1.SubscribeResponse;
import dev.hookstream.v1.SubscriberServiceGrpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.okhttp.OkHttpChannelBuilder;
import io.grpc.stub.StreamObserver;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Reads typed events: those whose classes it was built with, and any others by the relay's descriptors.
 *
 * <p>{@code Reader HOST:PORT SUBSCRIPTION COUNT} acknowledges COUNT events and prints a line of each.
 */
public final class Reader implements StreamObserver<SubscribeResponse> {
  private final SchemaServiceGrpc.SchemaServiceBlockingStub schemas;
  private final int count;
  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private StreamObserver<SubscribeRequest> requests;
  private int read = 0;

  private Reader(ManagedChannel channel, int count) {
    schemas = SchemaServiceGrpc.newBlockingStub(channel);
    this.count = count;
  }

  /** Decodes a message that this program was built without. */
  private DynamicMessage unlinked(Any data) throws DescriptorValidationException, InvalidProtocolBufferException {
    ByteString set =
        schemas.getDescriptors(GetDescriptorsRequest.newBuilder().setMessage(data.getTypeUrl()).build())
            .getFileDescriptorSet();
    // A file's imports come before it.
    Map<String, FileDescriptor> files = new HashMap<>();
    for (FileDescriptorProto file : FileDescriptorSet.parseFrom(set).getFileList()) {
      FileDescriptor[] imports = file.getDependencyList().stream().map(files::get).toArray(FileDescriptor[]::new);
      files.put(file.getName(), FileDescriptor.buildFrom(file, imports));
    }
    String name = nameOf(data);
    String simpleName = name.substring(name.lastIndexOf('.') + 1);
    for (FileDescriptor file : files.values()) {
      Descriptor descriptor = file.findMessageTypeByName(simpleName);
      if (descriptor != null && descriptor.getFullName().equals(name)) {
        return DynamicMessage.parseFrom(descriptor, data.getValue());
      }
    }
    throw new IllegalStateException(name + " is not in the descriptors that the relay sent for it");
  }

  private static String nameOf(Any data) {
    return data.getTypeUrl().substring(data.getTypeUrl().lastIndexOf('/') + 1);
  }

  /** A field of a message by its name in the proto. */
  private static Object field(Message message, String name) {
    return message.getField(message.getDescriptorForType().findFieldByName(name));
  }

  private static Instant time(Timestamp time) {
    return Instant.ofEpochSecond(time.getSeconds(), time.getNanos());
  }

  private String describe(Any data) throws DescriptorValidationException, InvalidProtocolBufferException {
    if (data.is(PaymentIntentEvent.class)) {
      PaymentIntentEvent event = data.unpack(PaymentIntentEvent.class);
      PaymentIntent payment = event.getPaymentIntent();
      return String.format("linked %s amount=%d status=%s created=%s order=%s", nameOf(data), payment.getAmount(),
          payment.getStatus(), time(event.getCreated()), payment.getMetadataOrThrow("order"));
    }
    if (data.is(OrderEvent.class)) {
      OrderEvent event = data.unpack(OrderEvent.class);
      Order order = event.getOrder();
      return String.format("own %s total=%d state=%s at=%s lines=%d last=%s channel=%s", nameOf(data), order.getTotal(),
          order.getState(), time(event.getAt()), order.getLinesCount(),
          order.getLines(order.getLinesCount() - 1).getArticle(), order.getLabelsOrThrow("channel"));
    }
    Message repository = (Message) field(unlinked(data), "repository");
    return String.format("unlinked %s repository=%s id=%d", nameOf(data), field(repository, "full_name"),
        field(repository, "id"));
  }

  @Override
  public void onNext(SubscribeResponse response) {
    if (!response.hasDeliveries()) {
      return;
    }
    SettleBatch.Builder settle = SettleBatch.newBuilder();
    try {
      for (Delivery delivery : response.getDeliveries().getDeliveriesList()) {
        System.out.println(describe(delivery.getEvent().getData()));
        settle.addSettlements(
            Settlement.newBuilder().setDeliveryId(delivery.getDeliveryId()).setAck(Ack.getDefaultInstance()));
        read++;
      }
    } catch (DescriptorValidationException | InvalidProtocolBufferException e) {
      ended.completeExceptionally(e);
      requests.onError(e);
      return;
    }
    requests.onNext(SubscribeRequest.newBuilder().setSettle(settle).build());
    if (read >= count) {
      // The relay ends its half when it has taken what was sent.
      requests.onCompleted();
    }
  }

  @Override
  public void onError(Throwable error) {
    ended.completeExceptionally(error);
  }

  @Override
  public void onCompleted() {
    ended.complete(null);
  }

  /** See the class; fails with the error of the stream. */
  public static void main(String[] args) throws Exception {
    if (args.length != 3) {
      System.err.println("usage: Reader HOST:PORT SUBSCRIPTION COUNT");
      System.exit(2);
    }
    ManagedChannel channel = OkHttpChannelBuilder.forTarget(args[0], InsecureChannelCredentials.create()).build();
    try {
      Reader reader = new Reader(channel, Integer.parseInt(args[2]));
      reader.requests = SubscriberServiceGrpc.newStub(channel).subscribe(reader);
      reader.requests.onNext(
          SubscribeRequest.newBuilder().setOpen(Open.newBuilder().setSubscription(args[1])).build());
      reader.ended.get(1, TimeUnit.MINUTES);
    } finally {
      channel.shutdownNow();
    }
  }
}
