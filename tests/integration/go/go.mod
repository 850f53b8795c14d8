// Modules whose files are samples for tests (tests/unit/typing/samples); nothing of them is built.
module github.com/hookstream/hookstream/tests/integration/go

go 1.19

require (
	github.com/go-playground/webhooks/v6 v6.4.0
	gitlab.com/gitlab-org/api/client-go v1.46.0
)
