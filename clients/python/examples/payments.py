"""Prints each succeeded payment. Run the relay with config/quickstart.yaml, then: python examples/payments.py"""
import hookstream


def on_event(delivery: hookstream.BlockingDelivery) -> None:
    if delivery.event.type == "payment_intent.succeeded":
        payment = delivery.payload.payment_intent
        print(f"{payment.id}: {payment.amount} {payment.currency}", flush=True)


hookstream.Client("127.0.0.1:9090").run("demo", on_event)
