#include "policy/build/schema.h"

/* What the engine asks a session for. */

// clang-format off
static const struct pb_field credentials_request_rows[] = {
    {1, "Host", PB_STRING},
};
const struct pb_type schema_credentials_request = PB_TYPE("CredentialsRequest", credentials_request_rows);

static const struct pb_field credentials_rows[] = {
    {1, "Username", PB_STRING},
    {2, "Secret", PB_STRING},
};
const struct pb_type schema_credentials = PB_TYPE("CredentialsResponse", credentials_rows);

static const struct pb_field token_request_rows[] = {
    {1, "ClientID", PB_STRING},
    {2, "Host", PB_STRING},
    {3, "Realm", PB_STRING},
    {4, "Service", PB_STRING},
    {5, "Scopes", PB_STRING, PB_MANY},
};
const struct pb_type schema_token_request = PB_TYPE("FetchTokenRequest", token_request_rows);

static const struct pb_field token_rows[] = {
    {1, "Token", PB_STRING},
    {2, "ExpiresIn", PB_INT64},
    {3, "IssuedAt", PB_INT64},
};
const struct pb_type schema_token = PB_TYPE("FetchTokenResponse", token_rows);

static const struct pb_field token_authority_request_rows[] = {
    {1, "Host", PB_STRING},
    {2, "Salt", PB_BYTES},
};
const struct pb_type schema_token_authority_request = PB_TYPE("GetTokenAuthorityRequest", token_authority_request_rows);

static const struct pb_field token_authority_rows[] = {
    {1, "PublicKey", PB_BYTES},
};
const struct pb_type schema_token_authority = PB_TYPE("GetTokenAuthorityResponse", token_authority_rows);

static const struct pb_field verify_request_rows[] = {
    {1, "Host", PB_STRING},
    {2, "Payload", PB_BYTES},
    {3, "Salt", PB_BYTES},
};
const struct pb_type schema_verify_request = PB_TYPE("VerifyTokenAuthorityRequest", verify_request_rows);

static const struct pb_field verified_rows[] = {
    {1, "Signed", PB_BYTES},
};
const struct pb_type schema_verified = PB_TYPE("VerifyTokenAuthorityResponse", verified_rows);

static const struct pb_field secret_request_rows[] = {
    {1, "ID", PB_STRING},
    {2, "annotations", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
const struct pb_type schema_secret_request = PB_TYPE("GetSecretRequest", secret_request_rows);

static const struct pb_field secret_rows[] = {
    {1, "data", PB_BYTES},
};
const struct pb_type schema_secret = PB_TYPE("GetSecretResponse", secret_rows);

static const struct pb_field agent_request_rows[] = {
    {1, "ID", PB_STRING},
};
const struct pb_type schema_agent_request = PB_TYPE("CheckAgentRequest", agent_request_rows);
/* grpc.health.v1 */
static const struct pb_field health_request_rows[] = {
    {1, "service", PB_STRING},
};
const struct pb_type schema_health_request = PB_TYPE("HealthCheckRequest", health_request_rows);

static const struct pb_field health_response_rows[] = {
    {1, "status", PB_ENUM, .most = 3},
};
const struct pb_type schema_health_response = PB_TYPE("HealthCheckResponse", health_response_rows);

/* containerd.services.content.v1, of the engine: what is read of it */
static const struct pb_field content_info_request_rows[] = {
    {1, "digest", PB_STRING},
};
const struct pb_type schema_content_info_request = PB_TYPE("InfoRequest", content_info_request_rows);

static const struct pb_field info_rows[] = {
    {1, "digest", PB_STRING},
    {2, "size", PB_INT64},
    {3, "created_at", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {4, "updated_at", PB_MESSAGE, PB_ONE, &schema_timestamp},
    {5, "labels", PB_MESSAGE, PB_MAP, &pb_string_entry},
};
static const struct pb_type schema_info = PB_TYPE("Info", info_rows);

static const struct pb_field content_info_rows[] = {
    {1, "info", PB_MESSAGE, PB_ONE, &schema_info},
};
const struct pb_type schema_content_info = PB_TYPE("InfoResponse", content_info_rows);

static const struct pb_field content_read_rows[] = {
    {1, "digest", PB_STRING},
    {2, "offset", PB_INT64},
    {3, "size", PB_INT64},
};
const struct pb_type schema_content_read = PB_TYPE("ReadContentRequest", content_read_rows);

static const struct pb_field content_data_rows[] = {
    {1, "offset", PB_INT64},
    {2, "data", PB_BYTES},
};
const struct pb_type schema_content_data = PB_TYPE("ReadContentResponse", content_data_rows);
// clang-format on
