from common.migrations import main

main("chat_service")
