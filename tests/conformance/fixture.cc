#include "tests/conformance/fixture.h"

namespace hookstream::store::testing {

void StoreTest::Open() {
  store_ = engine_->Open(clock_, limits_);
  HS_ASSERT_OK(store_->Start(subscriptions_, health_.Sink()));
  client_ = std::make_unique<Client>(*store_);
}

void StoreTest::Close() {
  if (store_ != nullptr) store_->Stop();
  client_.reset();
  store_.reset();
}

}  // namespace hookstream::store::testing
