"""Everything that may differ between machines comes from the environment; `.env.example` lists all of it.

It is production unless DEBUG=1. A missing or weak secret stops the process before it serves anything.
"""

from pathlib import Path

from csp.constants import NONE, SELF

from homeproductions import __version__, environment
from homeproductions.logs import set_up_structlog

BASE_DIR = Path(__file__).resolve().parent.parent
env = environment.load()

# --- Secrets and addresses ---------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
VERSION = __version__
JWT_SECRET = env.str("JWT_SECRET")
JWT_REFRESH_SECRET = env.str("JWT_REFRESH_SECRET")
SECRET_KEY = env.str("SECRET_KEY", environment.derive(JWT_SECRET, "django"))
TICKET_KEY = env.str("TICKET_KEY", environment.derive(JWT_SECRET, "ticket"))
KEYS_ARE_DERIVED = "SECRET_KEY" not in env.ENVIRON or "TICKET_KEY" not in env.ENVIRON
PAYMENT_WEBHOOK_SECRETS = env.names("PAYMENT_WEBHOOK_SECRETS")
RECURRENTE_WEBHOOK_SECRETS = env.names("RECURRENTE_WEBHOOK_SECRETS")
STRIPE_WEBHOOK_SECRETS = env.names("STRIPE_WEBHOOK_SECRETS")
# With keys, each order gets a payment page of its own at the provider; Recurrente comes first.
RECURRENTE_PUBLIC_KEY = env.str("RECURRENTE_PUBLIC_KEY", "")
RECURRENTE_SECRET_KEY = env.str("RECURRENTE_SECRET_KEY", "")
RECURRENTE_API_URL = env.str("RECURRENTE_API_URL", "https://app.recurrente.com/api").rstrip("/")
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", "")
STRIPE_API_URL = env.str("STRIPE_API_URL", "https://api.stripe.com").rstrip("/")

PORT = env.int("PORT", 8080)
PUBLIC_URL = env.str("PUBLIC_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
TRUSTED_PROXIES = env.names("TRUSTED_PROXIES")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL.startswith("https://") else []
CSRF_FAILURE_VIEW = "homeproductions.api.csrf_failure"

# --- Applications ------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "homeproductions",
    "orders",
    "gallery",
    "newsletter",
    "events",
    "accounts",
    "homeproductions.mail",
    "audit",
    "homeproductions.office.apps.OfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "homeproductions.static_files.StaticFiles",
    "anymail",
    "constance",
    "corsheaders",
    "csp",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "pgtrigger",
    "rest_framework",
]

# What a page passes; calls of the API turn off at the first layer.
MIDDLEWARE = [
    "homeproductions.lanes.Lanes",
    "homeproductions.middleware.SecurityHeaders",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "homeproductions.middleware.RequestOrigin",
    "homeproductions.logs.RequestLog",
    "homeproductions.middleware.StorableAddress",
    "homeproductions.throttles.RateLimits",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
]
API_MIDDLEWARE = [
    "homeproductions.lanes.Headers",
    "homeproductions.lanes.Compressed",
    "homeproductions.lanes.CrossOrigin",
    "homeproductions.middleware.RequestOrigin",
    "homeproductions.logs.RequestLog",
    "homeproductions.middleware.StorableAddress",
    "homeproductions.throttles.RateLimits",
]

ROOT_URLCONF = "homeproductions.urls"
WSGI_APPLICATION = "homeproductions.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "constance.context_processors.config",
            ],
        },
    },
]

# --- Database ----------------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", engine="homeproductions.postgresql")}
# Each thread keeps its connection: there are fewer threads than connections worth having, and handing them out from a
# pool for each request took a tenth of the time of a look-up.
DATABASES["default"]["CONN_MAX_AGE"] = 3600
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
# Statements that are sent all the time stay prepared on the server. Not behind PgBouncer, which hands out another
# connection for each transaction; for the same reason nothing is read there through a cursor that outlives one.
DATABASE_PREPARE = env.bool("DATABASE_PREPARE", False)
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = not DATABASE_PREPARE
# A connection that died with its server is replaced before a request uses it, not after it failed.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Where `manage.py backup` reaches the same database when the way above leads through PgBouncer; empty: the same way.
BACKUP_DATABASE = env.db_url("BACKUP_DATABASE_URL") if "BACKUP_DATABASE_URL" in env.ENVIRON else {}
# A transaction around each request would roll back rate-limit counters and refused-scan records with it.
ATOMIC_REQUESTS = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Watching ----------------------------------------------------------------------------------------------

# What Prometheus shows to be given `/metrics`; without it there is none.
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
# How many `process_outbox --loop` there should be; 0: one, or cron.
WORKERS_EXPECTED = env.int("WORKERS_EXPECTED", 0)
# Where the last backup lies, and how old it may be: what `manage.py doctor` looks at.
BACKUP_PATH = env.str("BACKUP_PATH", "")
BACKUP_MAX_AGE = environment.duration(env.str("BACKUP_MAX_AGE", "26h"), variable="BACKUP_MAX_AGE")
# Errors with their stacks go there; what is sent says nothing about anybody (sentry.py).
SENTRY_DSN = env.str("SENTRY_DSN", "")

# --- Language and time -------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = env.str("TIME_ZONE", "America/Guatemala")
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "homeproductions.formats"

# --- People ------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
SESSION_ENGINE = "accounts.session_store"
PASSWORD_HASHERS = ["accounts.hashers.BCryptSHA256"]
PASSWORD_MIN_LENGTH = 8
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_MIN_LENGTH},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "accounts.validators.MaximumLength"},
]
JWT_ACCESS_LIFETIME = environment.duration(env.str("JWT_ACCESS_EXPIRES", "15m"), variable="JWT_ACCESS_EXPIRES")
JWT_REFRESH_LIFETIME = environment.duration(
    f"{env.int('JWT_REFRESH_EXPIRES_DAYS', 7)}d", variable="JWT_REFRESH_EXPIRES_DAYS"
)
DEFAULT_ADMIN_EMAIL = env.str("DEFAULT_ADMIN_EMAIL", "")
DEFAULT_ADMIN_PASSWORD = env.str("DEFAULT_ADMIN_PASSWORD", "")

# --- Guests ------------------------------------------------------------------------------------------------

# Days after a night until its guests are forgotten (orders/services/retention.py); 0: never.
FORGET_GUESTS_AFTER_DAYS = env.int("FORGET_GUESTS_AFTER_DAYS", 0)

# --- API ---------------------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.IsStaff"],
    "DEFAULT_THROTTLE_CLASSES": ["homeproductions.throttles.Default"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "homeproductions.parsers.StrictJSONParser",
        "homeproductions.parsers.StrictFormParser",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "homeproductions.api.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "homeproductions.openapi.ContractSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "homeproductions.api.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": False,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Home Productions ticketing API",
    "DESCRIPTION": "Sells tickets to parties and festivals and lets each one in exactly once.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "APPEND_COMPONENTS": {"securitySchemes": {"metricsToken": {"type": "http", "scheme": "bearer"}}},
    "ENUM_NAME_OVERRIDES": {
        "OrderStatus": "orders.models.orders.OrderStatus",
        "EventStatus": "events.models.EventStatus",
        "EventKind": "events.models.EventKind",
        "HealthWord": "homeproductions.health.HEALTH_WORDS",
        "ConfiguredWord": "homeproductions.health.CONFIGURED_WORDS",
    },
    "POSTPROCESSING_HOOKS": [
        "homeproductions.openapi.tidy_paths",
        "drf_spectacular.hooks.postprocess_schema_enums",
    ],
}
CORS_ALLOWED_ORIGINS = env.names("CORS_ORIGIN")
CORS_URLS_REGEX = r"^/(api/|health)"
CORS_ALLOW_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
CORS_ALLOW_HEADERS = ["content-type", "authorization", "idempotency-key"]
CORS_EXPOSE_HEADERS = [
    "X-Request-ID",
    "Retry-After",
    "RateLimit-Policy",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
]

# --- Rate limits (contract 1.8): so many requests in so many seconds ------------------------------------------

RATE_LIMIT_ENABLED = env.bool("RATE_LIMIT_ENABLED", True)
REDIS_URL = env.str("REDIS_URL", "")
RATE_LIMIT_WINDOW_MS = env.int("RATE_LIMIT_WINDOW_MS", 900_000)
RATE_LIMITS = {
    # Exact: all processes count together, in PostgreSQL or Redis.
    "auth": env.maximum("AUTH_RATE_LIMIT_MAX", 10, window_ms=RATE_LIMIT_WINDOW_MS),
    "account": env.rate("RATE_LIMIT_ACCOUNT", "30/15m"),
    "session": env.rate("RATE_LIMIT_SESSION", "120/m"),
    "orders": env.rate("RATE_LIMIT_ORDERS", "40/15m"),
    "order_misses": env.rate("RATE_LIMIT_ORDER_MISSES", "30/15m"),
    "pay": env.rate("RATE_LIMIT_PAY", "10/15m"),
    "newsletter": env.rate("RATE_LIMIT_NEWSLETTER", "20/h"),
    "bad_signatures": env.rate("RATE_LIMIT_BAD_SIGNATURES", "30/m"),
    # Each process counts for itself: sharing the count costs more than what it would protect.
    "general": env.maximum("RATE_LIMIT_MAX", 100, window_ms=RATE_LIMIT_WINDOW_MS),
    "public": env.rate("RATE_LIMIT_PUBLIC", "600/m"),
    "staff": env.rate("RATE_LIMIT_STAFF", "1200/m"),
    "anonymous": env.rate("RATE_LIMIT_ANONYMOUS", "120/m"),
}
RATELIMIT_USE_CACHE = "rate-limits"
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "rate-limits": {
        "BACKEND": f"homeproductions.{'redis_counters.Redis' if REDIS_URL else 'counters.Postgres'}Counters",
        "LOCATION": REDIS_URL,
        "TIMEOUT": 86_400,
    },
    # One entry per address: when it is full the oldest go, and with few entries a crowd would push out everybody.
    "throttles": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "throttles",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}

# --- Runtime settings that staff may change (contract 3.10 "settings") ---------------------------------------

# How long each process may repeat what the public sees, and what a sale first looks at. Sales decide on fresh data.
MEMORY_SECONDS = 1.0

CONSTANCE_BACKEND = "homeproductions.stored_settings.StoredSettings"
# What may be typed in on the settings page.
CONSTANCE_ADDITIONAL_FIELDS = {
    "line": ["homeproductions.office.fields.Line", {"max_length": 100}],
    "address": ["homeproductions.office.fields.EmailAddress", {"max_length": 255}],
    "address or nothing": ["homeproductions.office.fields.EmailAddress", {"max_length": 255, "required": False}],
    # Up to four weeks: a longer hold is a mistake in the number.
    "minutes": ["django.forms.IntegerField", {"min_value": 0, "max_value": 40_320}],
}
CONSTANCE_CONFIG = {
    "site_name": ("Home Productions", "Name shown in mails and on pages", "line"),
    "contact_email": ("info@homeproductions.art", "Where guests can write to", "address"),
    "order_hold_minutes": (
        60,
        "Minutes an unpaid order holds its seats; 0: for ever (an event may say otherwise)",
        "minutes",
    ),
    "staff_alert_email": (
        "",
        "Who is mailed when money waits for a person; empty: the contact email",
        "address or nothing",
    ),
    "email_require_confirmation": (True, "Newsletter sign-ups must be confirmed by a link in a mail", bool),
}
CONSTANCE_CONFIG_FIELDSETS = {
    "The house": ("site_name", "contact_email"),
    "Sales": ("order_hold_minutes", "staff_alert_email"),
    "Newsletter": ("email_require_confirmation",),
}

# --- Mail --------------------------------------------------------------------------------------------------

EMAIL_HOST = env.str("EMAIL_HOST", "")
EMAIL_PORT = env.int("EMAIL_PORT", 465)
EMAIL_HOST_USER = env.str("EMAIL_USER", "")
EMAIL_HOST_PASSWORD = env.str("EMAIL_PASS", "")
EMAIL_USE_SSL = EMAIL_PORT == 465
EMAIL_USE_TLS = not EMAIL_USE_SSL and env.bool("EMAIL_STARTTLS", True)
EMAIL_TIMEOUT = 10
EMAIL_PROVIDER = env.str("EMAIL_PROVIDER", "").lower()
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", EMAIL_HOST_USER or "tickets@localhost")
EMAIL_FOLDER = env.str("EMAIL_FOLDER", "")
EMAIL_IS_CONFIGURED = bool(EMAIL_HOST or EMAIL_PROVIDER)
if EMAIL_PROVIDER:
    MAIL_TRANSPORT = f"anymail.backends.{EMAIL_PROVIDER}.EmailBackend"
    # Most providers call it an API key, a few a token.
    ANYMAIL = {
        "REQUESTS_TIMEOUT": 10,
        **{
            f"{EMAIL_PROVIDER.upper()}_{word}": env.str("EMAIL_PROVIDER_KEY", "")
            for word in ("API_KEY", "API_TOKEN", "SERVER_TOKEN")
        },
    }
elif EMAIL_HOST:
    MAIL_TRANSPORT = "homeproductions.mail.backends.Smtp"
else:
    MAIL_TRANSPORT = ""
EMAIL_BACKEND = "homeproductions.mail.backends.Outgoing"

# --- Pictures ----------------------------------------------------------------------------------------------

CLOUDINARY_CLOUD_NAME = env.str("CLOUDINARY_CLOUD_NAME", "")
CLOUDINARY_API_KEY = env.str("CLOUDINARY_API_KEY", "")
CLOUDINARY_API_SECRET = env.str("CLOUDINARY_API_SECRET", "")
CLOUDINARY_IS_CONFIGURED = all((CLOUDINARY_CLOUD_NAME, CLOUDINARY_API_KEY, CLOUDINARY_API_SECRET))

# --- Static files ------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
# Files the demo draws itself are served from here; in production pictures live at an image host.
MEDIA_URL = "/media/"
MEDIA_ROOT = env.str("MEDIA_ROOT", "")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # A release collects them under names that hold a hash of the content: browsers may keep those for ever.
    "staticfiles": {"BACKEND": "homeproductions.static_files.Hashed"},
}
# What was not collected is read where it lies, as the demo and the tests do.
WHITENOISE_USE_FINDERS = True

# --- Security headers (contract 1.9) -----------------------------------------------------------------------

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    # The API answers on plain http behind the host's TLS edge; a redirect would turn PUT and POST into GET.
    "security.W008",
    # Nights begin at nine unless somebody says otherwise; for 20 seconds each evening Django takes that for "now".
    "fields.W161",
    # HSTS preloading commits every sub-domain of the site for good; that is for the owner of the domain to decide.
    "security.W021",
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:", "https:"],
        "object-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
    },
}

# --- Logs --------------------------------------------------------------------------------------------------

LOG_LEVEL = {"warn": "WARNING"}.get(env.str("LOG_LEVEL", "info").lower(), env.str("LOG_LEVEL", "info").upper())
set_up_structlog()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "homeproductions.logs.json_formatter"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "json"},
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # Refusals are answers, not incidents; the request log has them already.
        "django.request": {"level": "ERROR"},
        # What makes Django suspicious is its sender's fault, and it would tell it with a stack, as if it were ours.
        # `api.bad_request` says as much as somebody here needs.
        "django.security": {"level": "CRITICAL"},
        "django.security.csrf": {"level": LOG_LEVEL},
        "django.security.SuspiciousSession": {"level": LOG_LEVEL},
    },
}
