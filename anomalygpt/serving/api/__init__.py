"""The service for programs: REST under /v1, chats as OpenAI's, health and metrics."""
